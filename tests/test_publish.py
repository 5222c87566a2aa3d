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
from seqlab.runs import run_folder
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
    monkeypatch.chdir(tmp_path)
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


def test_an_ensemble_is_described_by_its_members(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a recipe whose members are two seeds; nothing of it is fitted."""
    sizes = ["data.train=60", "data.valid=20", "data.test=20", "data.length=4", "training.epochs=1"]
    members = [" ".join(["marked-addition-gru", *sizes, f"seed={seed}"]) for seed in (1, 2)]
    table = f"about = 'two seeds'\n[ensemble]\nmembers = {json.dumps(members)}\n"
    Path("both.toml").write_text(table, encoding="utf-8")
    made = run_folder.open_run(
        Path(run.train(recipes.configure("both.toml")[0], callback=tiny.Nobody())["run"])
    )
    monkeypatch.setattr(publish, "_finished_runs", lambda *_: [made])
    _, card = publish.run_card("both.toml")
    (line,) = (line for line in results_page([card], []).splitlines() if "ensemble" in line[:12])
    each = [run_folder.find(f"marked-addition-gru-len4-n60-ep1-s{seed}") for seed in (1, 2)]
    tokens, parameters = (sum(member.summary()[key] for member in each) for key in ("tokens", "parameters"))
    names = ", ".join(member.path.name.rpartition("-")[0] for member in each)
    assert line.startswith(
        f"- ensemble of 2 finished runs, {names}; their sums: {tokens:,} tokens, {parameters:,} parameters; "
    )


def test_without_a_run_there_is_no_card() -> None:
    with pytest.raises(SystemExit, match="There must be a finished run of 'brackets-lstm"):
        publish.publish(WANTED)
