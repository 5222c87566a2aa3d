"""Runs with datasets, tokenizers, metrics and optimizers of the user's own, from training to prediction."""

from __future__ import annotations

import shutil
from pathlib import Path

import own_data
import own_metrics
import own_optimizers
import pytest
import tiny
import torch
from experiments import outcome

from seqlab import cli
from seqlab.evaluate.evaluation import evaluate_run
from seqlab.evaluate.loaded import load_run
from seqlab.runs import run_folder
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.errors import UserError
from seqlab.schema.records import Scalar
from seqlab.training import run

FILES = [Path(module.__file__ or "") for module in (own_data, own_metrics, own_optimizers)]
OWN = [
    "imdb-linear",
    "data.kind=import",
    "data.path=own_data.py:reviews",
    "data.arguments.repeat=2",
    "data.tokenizer.kind=import",
    "data.tokenizer.path=own_data.py:words",
    "task.metrics=loss,own_metrics.py:quadratic,accuracy,own_metrics.py:Hits",
    "task.monitor=quadratic",
    "training.optimizer.kind=import",
    "training.optimizer.path=own_optimizers.py:SignMomentum",
    "training.optimizer.arguments.beta=0.75",
    "training.optimizer.learning_rate=0.05",
    *[setting for setting in tiny.REVIEWS[1:] if not setting.startswith(("data.", "training.optimizer"))],
]
COPIES = {
    "data.path": "own_data.py",
    "data.tokenizer.path": "own_data.py",
    "task.metrics.1": "own_metrics.py",
    "task.metrics.3": "own_metrics.py",
    "training.optimizer.path": "own_optimizers.py",
}


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "runs"))
    for file in FILES:
        shutil.copy(file, tmp_path / "here")


@pytest.fixture
def made() -> RunFolder:
    return tiny.fit(OWN)


def remove_files() -> None:
    for file in FILES:
        Path(file.name).unlink()


def test_a_run_needs_nothing_but_its_folder(made: RunFolder) -> None:
    record = made.code()
    assert record is not None
    assert {key: entry["code"].partition(":")[0] for key, entry in record["entries"].items()} == COPIES
    summary = made.summary()
    assert set(summary["metrics"]) == {"loss", "quadratic", "accuracy", "Hits"}
    assert summary["metrics"]["Hits"] == summary["metrics"]["accuracy"]
    assert summary["monitor"] == {"name": "quadratic", "unit": "squared distance", "better": "lower"}
    loaded = load_run(made)
    before = loaded.predict(["a good film", "something else"])
    remove_files()
    again = load_run(made)
    assert again.tokenizer.vocabulary == loaded.tokenizer.vocabulary
    assert again.predict(["a good film", "something else"]) == before
    card = evaluate_run(made, "test", ["quadratic", "loss"])
    probabilities = [row["good"] for row in again.predict(["the good film", "the bad film"])]
    by_hand = (2 * (1 - probabilities[0]) ** 2 + 2 * probabilities[1] ** 2) / 2
    assert card["metrics"]["quadratic"] == pytest.approx(by_hand, rel=1e-6)
    assert set(card["signatures"]) == {"quadratic", "loss"}
    assert "own_metrics.py:quadratic, SHA-256 " in card["signatures"]["quadratic"]


def test_the_monitor_picks_the_checkpoint() -> None:
    made = tiny.fit([*OWN, "task.metrics=loss,own_metrics.py:doubt", "task.monitor=doubt"])
    found = {
        moment.step: record.value
        for record, moment in made.records()
        if isinstance(record, Scalar) and (record.name, record.split) == ("doubt", "valid")
    }
    summary = made.summary()
    assert summary["best_step"] == max(found, key=lambda step: found[step]) < summary["steps"]


def test_killed_and_resumed_is_bit_identical_also_without_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = [*OWN, "training.epochs=4", "training.checkpoint_seconds=0"]
    whole = tiny.fit(recipe)
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "killed"))
    killed = tiny.broken_off(recipe, step=7)
    remove_files()
    run.resume(killed, callback=tiny.Nobody())
    assert outcome(killed) == outcome(whole)


@pytest.mark.parametrize("file", sorted({*COPIES.values()}))
def test_changed_code_is_another_run(file: str, made: RunFolder) -> None:
    with Path(file).open("a") as text:
        text.write("\nunused = 1\n")
    callback = tiny.Nobody()
    assert tiny.fit(OWN, callback=callback).path != made.path
    notes = [message for message in callback.messages if "was trained with other code" in message]
    assert len(notes) == sum(other == file for other in COPIES.values())


def test_where_the_files_are_does_not_matter(tmp_path: Path, made: RunFolder) -> None:
    absolute = [setting.replace("own_", f"{tmp_path}/here/own_") for setting in OWN]
    assert absolute != OWN
    assert tiny.fit(absolute).path == made.path


def test_a_run_from_elsewhere_executes_nothing_without_trust(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: RunFolder
) -> None:
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path / "other"))
    remove_files()
    with pytest.raises(UserError, match=r"must be trusted, because it would run .* repeat with --trust"):
        load_run(made)
    with pytest.raises(UserError, match="must be trusted"):
        evaluate_run(made, "test", ())
    assert cli.run(["train", str(made.config_path)]) == 2
    assert load_run(made, trust=True).predict(["good"])


def test_every_form_from_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["train", *OWN, "name=mine"]) == 0
    assert cli.run(["evaluate", "mine", "--split", "test", "--metric", "quadratic"]) == 0
    assert "quadratic" in capsys.readouterr().out
    assert cli.run(["predict", "mine", "a good film"]) == 0
    assert cli.run(["data", "show", "import", "path=own_data.py:one_split"]) == 0
    assert "own_data.py:one_split" in capsys.readouterr().out
    assert cli.run(["report", "mine", "-o", "report.html"]) == 0


def test_a_language_model_of_own_texts() -> None:
    settings = [setting for setting in tiny.BRACKETS if not setting.startswith("data.")]
    made = tiny.fit(
        [
            *settings,
            "data.kind=import",
            "data.path=own_data.py:sentences",
            "data.tokenizer.kind=whitespace",
            "task.metrics=loss,own_metrics.py:quadratic",
            "task.monitor=quadratic",
        ]
    )
    assert made.summary()["monitor"]["name"] == "quadratic"
    assert torch.isfinite(torch.tensor(list(made.summary()["metrics"].values()))).all()
    assert run_folder.names() == [made.path.name]
