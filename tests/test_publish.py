"""Results are published over all seeds of finished runs, and only for the requested settings."""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path

import pytest
import tiny
from pages import ROOT

from seqlab.experiment import recipes
from seqlab.training import run

sys.path.insert(0, str(ROOT / "scripts"))
import publish
from results_page import results_page

SETTINGS = [
    *("data.train=200", "data.valid=50", "data.test=50", "training.epochs=1", "training.tensorboard=false"),
    "samples.checked_at_end=20",
]
WANTED = " ".join(["brackets-lstm", *SETTINGS])


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(publish, "CARDS", tmp_path)
    return tmp_path


def train(*overrides: str) -> float:
    """The loss of a run."""
    config, _ = recipes.configure("brackets-lstm", [*SETTINGS, *overrides])
    return run.train(config, callback=tiny.Nobody())["metrics"]["loss"]


def test_a_card_has_every_seed_and_describes_the_median_run(folder: Path) -> None:
    losses = {seed: train(f"seed={seed}") for seed in (1, 2, 3)}
    train("seed=4", "model.hidden_size=8")  # other settings, so not one of the seeds
    publish.publish(WANTED)
    (path,) = folder.glob("*.json")
    assert path.name.startswith("brackets-lstm-train-200-valid-50")
    card = json.loads(path.read_text())
    assert {seed["seed"]: seed["metrics"]["loss"] for seed in card["seeds"]} == losses
    assert card["metrics"]["loss"] == statistics.median(losses.values())
    shown = results_page([card], [])
    head, _, median, *rows = [line.split(" | ") for line in shown.splitlines() if line.startswith("|")]
    column = head.index("loss above the floor, %")
    assert len(rows) == 3
    assert float(median[column]) == statistics.median(float(row[column]) for row in rows)
    assert f"`seqlab train {WANTED}`" in shown


def test_without_a_run_there_is_no_card() -> None:
    with pytest.raises(SystemExit, match="There must be a finished run of 'brackets-lstm"):
        publish.publish(WANTED)
