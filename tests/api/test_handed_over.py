"""Settings as Python values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqlab.experiment import recipes
from seqlab.experiment.handed_over import assignments
from seqlab.schema.config import plain
from seqlab.schema.errors import UserError


def configured(settings: Any, recipe: str = "brackets-lstm") -> dict[str, Any]:
    config, _ = recipes.configure(recipe, assignments(settings))
    return plain(config)


def test_nested_and_full_keys_are_the_same_settings() -> None:
    nested = configured({"model": {"hidden_size": 64}, "data": {"train": 4000}})
    assert configured({"model.hidden_size": 64, "data.train": 4000}) == nested
    assert configured(["model.hidden_size=64", "data.train=4000"]) == nested
    assert (nested["model"]["hidden_size"], nested["data"]["train"]) == (64, 4000)


@pytest.mark.parametrize(
    ("key", "value", "kept"),
    [
        ("training.optimizer.learning_rate", 1e-5, 1e-5),
        ("training.optimizer.learning_rate", np.float64(0.25), 0.25),
        ("model.hidden_size", np.int64(7), 7),
        ("training.tensorboard", False, False),
        ("task.metrics", ("loss", "accuracy"), ["loss", "accuracy"]),
        ("samples.prompt", "é, 😀", "é, 😀"),
    ],
)
def test_python_values_are_kept(key: str, value: object, kept: object) -> None:
    table: Any = configured({key: value})
    for name in key.split("."):
        table = table[name]
    assert table == kept
    assert type(table) is type(kept)


def test_none_takes_a_setting_away() -> None:
    assert "patience" not in configured({"training.patience": None}, "imdb-linear")["training"]
    assert "patience" in configured({}, "imdb-linear")["training"]


def test_paths_are_texts() -> None:
    assert assignments({"data.path": Path("a b.csv")}) == ["data.path=a b.csv"]


def test_a_kind_comes_first_wherever_it_is_written() -> None:
    model = {"heads": 2, "kind": "transformer-lm", "hidden_size": 16}
    assert (
        configured({"model": model})["model"]
        == configured(
            {
                "model.kind": model["kind"],
                **{f"model.{key}": value for key, value in model.items() if key != "kind"},
            }
        )["model"]
    )
    assert configured({"model": model})["model"]["heads"] == 2


def test_text_of_a_module_s_argument_stays_text() -> None:
    settings = {"model": {"kind": "import", "path": "net.py:Net", "arguments": {"name": "64", "size": 64}}}
    assert assignments(settings)[-2:] == ['model.arguments.name="64"', "model.arguments.size=64"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("seed=3", "'settings' must be a list of key=value, or a dict. Got 'seed=3'."),
        ({"data.train": 1, "data": {"train": 2}}, "'data.train' must have one value. Got 1 and 2."),
        ({"data": {1: 2}}, "A key of settings must be text. Got 1."),
        ({"training": {"epoch": 3}}, "Nearest: 'training.epochs'"),
        ({"training.epochs": "three"}, "'training.epochs' must be an? "),
        ({"training.epochs": [1, 2]}, "'training.epochs' must be an? "),
        ({"model": 3}, "'model' is a table: set one of its keys"),
    ],
)
def test_what_is_wrong_is_refused(settings: Any, words: str) -> None:
    with pytest.raises(UserError, match=words):
        configured(settings)
