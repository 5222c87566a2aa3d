"""Names of runs: what they say, for which file systems they are safe, and that they never mix two runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import tiny

from seqlab.baselines.baseline_kinds import BASELINES
from seqlab.data.data_kinds import BATCHING, DATASETS, TOKENIZERS
from seqlab.experiment import recipes
from seqlab.experiment.run_names import architecture, changed, run_stem
from seqlab.experiment.training_config import TrainingConfig
from seqlab.experiment.training_kinds import AVERAGINGS, OPTIMIZERS, SCHEDULES
from seqlab.models.layer_kinds import LAYERS
from seqlab.models.model_kinds import MODELS
from seqlab.runs import run_folder
from seqlab.schema.config import plain, read_toml
from seqlab.schema.short_forms import KIND_FORMS, LAYER_FORMS, SHORT_FORMS
from seqlab.training import run

COMPLETE = [name for name in recipes.names() if not name.startswith("text-")]


def stem(recipe: str, *overrides: str) -> str:
    return run_stem(plain(recipes.configure(recipe, overrides)[0]))


@pytest.mark.parametrize("name", COMPLETE)
def test_a_recipe_unchanged_is_its_name_and_seed(name: str) -> None:
    assert stem(name) == (f"{name}-s1" if "model" in recipes.read(name).table else name)
    assert changed(plain(recipes.configure(name)[0])) == {}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ["ptb-lstm", "model.cell=gru", "model.hidden_size=200", "model.embedding_size=200", "seed=3"],
            "ptb-lstm-gru-e200-h200-s3",
        ),
        (
            ["brackets-lstm", "training.epochs=2", "training.optimizer.learning_rate=0.5"],
            "brackets-lstm-lr0.5-ep2-s1",
        ),
        (["brackets-lstm", "model.embedding_size=16", "model.tied=true"], "brackets-lstm-e16-tied-s1"),
        (["ptb-lstm", "model.tied=false"], "ptb-lstm-not-tied-s1"),
        (["ptb-5gram", "baseline.order=3"], "ptb-5gram-o3"),
        (["imdb-majority", "fit_on=train+valid"], "imdb-majority-train-valid"),
        (["brackets-gru", "name=mine"], "mine-gru-h16-l1-lr0.02-s1"),
        (["brackets-lstm", "training.record_every=7"], "brackets-lstm-s1"),
        (["imdb-cnn", "model.layers.1.filters=80", "model.layers.0.rate=0.3"], "imdb-cnn-0d0.3-1f80-s1"),
        # 200 are the default, but not the recipe's.
        (["imdb-cnn", "model.layers.1.filters=200"], "imdb-cnn-1f200-s1"),
        (["imdb-cnn", "model.layers.2.kind=recurrent", "model.layers.2.cell=gru"], "imdb-cnn-2rnn-gru-s1"),
        (["imdb-cnn", "model.layers.1.kind=linear", "model.layers.1.size=9"], "imdb-cnn-1linear-u9-s1"),
        (["imdb-cnn", "model.layers=[{kind = 'token-dropout'}]"], "imdb-cnn-0token-drop-not-1-s1"),
        (["imdb-cnn", "model.layers=[]"], "imdb-cnn-not-0-not-1-s1"),
        (["imdb-cnn", "name=mine"], "mine-0drop-d0.4-1conv-f100-w3-4-5-lr0.001-s1"),
    ],
)  # fmt: skip
def test_a_name_says_what_was_changed(arguments: list[str], expected: str) -> None:
    assert stem(*arguments) == expected


def test_layers_that_were_added_or_left_out_are_changes() -> None:
    def of(*overrides: str) -> dict[str, object]:
        return changed(plain(recipes.configure("battlefield-cnn", overrides)[0]))

    assert of("model.layers=[]") == {"model.layers.0": None}
    assert of("model.layers.1.kind=dropout") == {"model.layers.1.kind": "dropout", "model.layers.1.rate": 0.5}
    assert of("model.layers.0.filters=9") == {"model.layers.0.filters": 9}


def test_an_own_optimizer_is_named_by_its_class(tmp_path: Path) -> None:
    optimizer = {"kind": "import", "path": f"{tmp_path}/a b/mine.py:HeavyBall", "learning_rate": 0.5}
    table = recipes.put(recipes.read("brackets-gru").table, "training.optimizer", optimizer)
    assert run_stem({**table, "seed": 1}) == "brackets-gru-HeavyBall-lr0.5-s1"


def test_every_short_form_is_of_a_setting_that_a_kind_has() -> None:
    registries = {
        "data": DATASETS,
        "data.tokenizer": TOKENIZERS,
        "batching": BATCHING,
        "training.optimizer": OPTIMIZERS,
        "training.schedule": SCHEDULES,
        "training.averaging": AVERAGINGS,
        "model": MODELS,
        "baseline": BASELINES,
    }
    keys = {
        f"{table}.{name}"
        for table, registry in registries.items()
        for kind in registry
        for name in registry[kind].model_fields
    }
    keys |= {f"training.{name}" for name in TrainingConfig.model_fields} | {"fit_on"}
    assert set(SHORT_FORMS) <= keys
    assert set(KIND_FORMS) <= set(LAYERS)
    assert set(LAYER_FORMS) <= {name for kind in LAYERS for name in LAYERS[kind].model_fields}


def test_a_name_is_bounded_and_safe_for_every_file_system() -> None:
    many = ["data.max_length=77", "data.train=777777", "model.dropout=0.123456789", "training.epochs=77",
            "training.optimizer.kind=rmsprop", "training.optimizer.momentum=0.98765432101",
            "training.label_smoothing=0.07", "batching.tokens=77777", "model.hidden_size=77",
            "training.max_steps=777777777"]  # fmt: skip
    name = stem("brackets-lstm", *many, f"name={'n' * 150}", "seed=123456789")
    assert len(f"{name}-{'f' * 12}".encode()) <= 255
    assert len(stem("brackets-lstm", *many)) <= len("brackets-lstm") + 1 + 48 + len("-s1")
    assert re.fullmatch(r"[A-Za-z0-9._-]+", stem("brackets-lstm", *many))
    assert re.fullmatch(r"[A-Za-z0-9._-]+", stem("ndfa-lstm", "data.kind=tomita", "data.number=3"))


def test_architectures() -> None:
    assert [architecture(recipes.read(name).table) for name in ("ptb-gru", "imdb-linear", "ptb-5gram")] == [
        "gru-reset-before",
        "linear-classifier",
        "n-gram",
    ]


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "runs"


def test_a_run_of_which_the_short_name_is_taken_gets_a_longer_one(runs: Path) -> None:
    """Found again under it, by training, by its reference, and by every beginning that is its own."""
    config = tiny.configure(tiny.BRACKETS, "training.epochs=1")
    reference = run.run_reference(config)
    short = reference[:-8]
    (runs / short).mkdir(parents=True)
    (runs / short / "mine.txt").write_text("no run")
    made = tiny.fit(tiny.BRACKETS, "training.epochs=1")
    assert made.path.name == reference[:-4]
    assert tiny.fit(tiny.BRACKETS, "training.epochs=1") == made
    assert run_folder.resolve(reference) == made.path
    for wanted in (made.path.name, reference, reference[:-2], "brackets-lstm"):
        assert run_folder.find(wanted) == made
    assert run_folder.names() == [made.path.name]
    assert (runs / short / "mine.txt").read_text() == "no run"


def test_a_folder_with_the_old_form_of_a_name_is_found(runs: Path) -> None:
    made = tiny.fit(tiny.BRACKETS, "training.epochs=1")
    old = made.path.rename(runs / f"brackets-lstm-{made.fingerprint[:12]}")
    for wanted in (old.name, "brackets-lstm", old.name[:-3]):
        assert run_folder.find(wanted).path == old
    assert run_folder.resolve(old.name) == old
    assert run_folder.names() == [old.name]
    assert read_toml(run_folder.find(old.name).config_text(), "it")["name"] == "brackets-lstm"
