"""The runs of a study: opened once, and what they cost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import tiny
from known_cells import cell

import seqlab
from seqlab.comparison.study import Study
from seqlab.comparison.study_cells import cells, monitor_of_runs, trial_run
from seqlab.comparison.study_cost import cost
from seqlab.runs.study_records import Event
from seqlab.schema.metric_spec import MetricSpec

LOSS = MetricSpec(name="loss", unit="nats per token", better="lower")


def test_only_finished_runs_have_a_cost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that failed late has values of earlier epochs."""
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path))
    done = tiny.fit(tiny.BRACKETS)
    failed = tiny.broken_off(tiny.BRACKETS, "seed=2", step=3)
    cells = [
        cell("lstm", {}, 1.0, folder=done, epochs=1),
        cell("lstm", {}, 1.0, seed=2, folder=failed, epochs=1),
        cell("gru", {}, 1.0, seed=2, folder=failed, epochs=1),
    ]
    gru, lstm = Study(name="known", about={}, monitor=LOSS, cells=tuple(cells)).groups
    found, summary = cost(lstm), done.summary()
    assert found is not None
    assert (found.parameters, found.seconds) == (summary["parameters"], summary["cost"]["training_seconds"])
    assert cost(gru) is None


def test_runs_are_opened_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a cell's run has read is kept, even if the files are deleted."""
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path))
    run = cell("lstm", {}, 1.0, folder=tiny.fit(tiny.BRACKETS)).run
    before = run.summary, run.course("loss")
    assert run.folder is not None
    (run.folder.path / "finished.json").unlink()
    (run.folder.path / "records.jsonl").unlink()
    assert (run.summary, run.course("loss")) == before
    assert before[0] is not None
    assert len(before[1]) == 2


def test_one_module_opens_the_runs_of_a_study() -> None:
    package = Path(str(seqlab.__file__)).parent
    modules = [path for name in ("comparison", "report") for path in (package / name).rglob("*.py")]
    assert [path.name for path in modules if "open_run" in path.read_text("utf-8")] == ["study_cells.py"]


def test_a_damaged_run_is_a_cell_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path))
    folder = tiny.fit(tiny.BRACKETS)
    trial = cell("lstm", {}, 1.0, folder=folder).run.trial
    trial = replace(trial, run=folder.path.name, epochs=())
    failed = Event(trial=trial.number, state="failed", reason="another process had it")
    (found,) = cells([trial_run(trial, failed)], "loss")
    assert (found.value, found.censored) == (folder.summary()["metrics"]["loss"], "")
    for file in ("finished.json", "run.json"):
        (folder.path / file).write_text("{")
        (found,) = cells([trial_run(trial)], "loss")
        assert found.value is None
        assert found.censored.startswith(f"damaged: {folder.path / file} is damaged")
        assert monitor_of_runs([trial_run(trial)]) is None
