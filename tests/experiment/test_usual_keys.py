"""Short names that are usual elsewhere are answered with the full key, wherever settings are written."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import seqlab
from seqlab.experiment import recipes
from seqlab.experiment.experiment_config import experiment_class
from seqlab.schema.config import fields
from seqlab.schema.errors import UserError
from seqlab.schema.nearest_key import USUAL
from seqlab.schema.overrides import override
from seqlab.studies import design

KEYS = {
    "ptb-lstm": {
        "lr": "training.optimizer.learning_rate",
        "training.lr": "training.optimizer.learning_rate",
        "training.learning_rate": "training.optimizer.learning_rate",
        "epochs": "training.epochs",
        "hidden": "model.hidden_size",
        "model.hidden": "model.hidden_size",
        "batch_size": "batching.batch_size",
        "dropout": "model.dropout",
        "layers": "model.layers",
        "num_layers": "model.layers",
        "embedding": "model.embedding_size",
        "optimizer": "training.optimizer.kind",
        "schedule": "training.schedule.kind",
        "tokenizer": "data.tokenizer.kind",
        "cell": "model.cell",
        "seq_len": "batching.sequence_length",
    },
    "brackets-lstm": {"batch_size": "batching.tokens"},
    "brackets-transformer": {"nhead": "model.heads", "dim": "model.hidden_size"},
    "ptb-5gram": {"order": "baseline.order"},
}


def in_a_command(recipe: str, key: str, folder: Path) -> None:
    recipes.configure(recipe, [f"{key}=1"])


def in_a_recipe(recipe: str, key: str, folder: Path) -> None:
    (folder / "own.toml").write_text(f'base = "{recipe}"\n{key} = 1\n')
    recipes.configure(str(folder / "own.toml"))


def in_the_settings_of_a_study(recipe: str, key: str, folder: Path) -> None:
    (folder / "own.toml").write_text(f'base = "{recipe}"\n[settings]\n"{key}" = 1\n')
    design.Design(design.read(str(folder / "own.toml"))).check()


def in_an_axis_of_a_study(recipe: str, key: str, folder: Path) -> None:
    (folder / "own.toml").write_text(f'base = "{recipe}"\n[axes]\n"{key}" = [1, 2]\n')
    design.Design(design.read(str(folder / "own.toml"))).check()


def in_python(recipe: str, key: str, folder: Path) -> None:
    seqlab.train(recipe, [f"{key}=1"])


CASES = [
    (write, recipe, short, full)
    for write in (
        in_a_command,
        in_a_recipe,
        in_the_settings_of_a_study,
        in_an_axis_of_a_study,
        in_python,
    )
    for recipe, keys in KEYS.items()
    for short, full in keys.items()
    # A study extends recipes of networks.
    if recipe != "ptb-5gram" or "study" not in write.__name__
]


@pytest.mark.parametrize(
    ("write", "recipe", "key", "full"), CASES, ids=lambda value: getattr(value, "__name__", value)
)
def test_a_short_key_is_answered_with_the_full_one(
    tmp_path: Path, write: Callable[[str, str, Path], None], recipe: str, key: str, full: str
) -> None:
    with pytest.raises(UserError, match=rf"There is no setting '{key}'\. Nearest: '{re.escape(full)}'\."):
        write(recipe, key, tmp_path)


@pytest.mark.parametrize("recipe", recipes.names())
def test_whatever_is_named_as_nearest_can_be_set(recipe: str) -> None:
    table = recipes.read(recipe).table
    cls = experiment_class(table)
    settable = {key for key, _ in fields(cls, table)}
    for key in (*USUAL, "optimizer", "epochs", "model.lr", "training.hidden", "x.y"):
        with pytest.raises(UserError, match="There is no setting") as caught:
            override(cls, table, f"{key}=1")
        hints = re.search(r"Nearest: (.*?)\. Settings", str(caught.value))
        named = set(re.findall("'([^']*)'", hints[1])) if hints else set()
        assert named <= settable | set(cls.model_fields)
        assert named or key not in ("lr", "epochs", "hidden") or "model" not in table


def test_several_tables_with_one_key_are_all_named() -> None:
    table = recipes.read("ptb-lstm").table
    both = r"Nearest: 'training\.optimizer\.kind' or 'training\.schedule\.kind'"
    with pytest.raises(UserError, match=both):
        override(experiment_class(table), table, "training.kind=1")
