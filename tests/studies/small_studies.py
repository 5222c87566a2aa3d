"""Small studies that the tests of this package share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seqlab.comparison.study_cells import TrialRun, trial_runs
from seqlab.runs import run_folder
from seqlab.runs.study_folder import StudyFolder
from seqlab.runs.study_records import Trial
from seqlab.schema.config import parse
from seqlab.studies.design import Design
from seqlab.studies.job import JobOutcome
from seqlab.studies.resources import Resources
from seqlab.studies.run_study import run_study
from seqlab.studies.study_config import StudyConfig

RATE = "training.optimizer.learning_rate"
SMALL = {
    "data": {"train": 60, "valid": 20, "test": 20, "max_length": 20},
    "batching": {"tokens": 60},
    "model": {"embedding_size": 4, "hidden_size": 4, "init_range": 0.1},
    "training": {
        "epochs": 2,
        "record_every": 1,
        "tensorboard": False,
        "optimizer": {"learning_rate": 0.01},
        "schedule": {"kind": "constant"},
    },
    "samples": {"count": 0, "checked": 20, "checked_at_end": 50},
}


class StudyRecorder:
    """A callback that keeps what it receives."""

    def __init__(self) -> None:
        self.started_numbers: list[int] = []
        self.messages: list[str] = []
        self.outcomes: list[tuple[int, str]] = []

    def started(self, trial: Trial, total: int) -> None:
        assert trial.number <= total
        self.started_numbers.append(trial.number)

    def progressed(self, number: int, share: float, text: str) -> None:
        assert 0 <= share <= 1

    def message(self, number: int, text: str) -> None:
        self.messages.append(text)

    def ended(self, trial: Trial, outcome: JobOutcome, value: float | None) -> None:
        assert (value is not None) == (outcome.state == "finished")
        self.outcomes.append((trial.number, outcome.state))


def small_design(**changes: Any) -> Design:
    """A study of brackets, one axis of two rates and one seed; `changes` are its settings."""
    table: Mapping[str, Any] = {
        "name": "small",
        "base": "brackets-lstm",
        "settings": SMALL,
        "axes": {RATE: [0.01, 0.1]},
        "seeds": [1],
        **changes,
    }
    return Design(parse(StudyConfig, {key: value for key, value in table.items() if value is not None}))


def run_small(
    design: Design, *, processes: int = 1, retry: bool = False, recorder: StudyRecorder | None = None
) -> StudyFolder:
    """Run a study to its end, with one thread per run."""
    callback = recorder or StudyRecorder()
    return run_study(design, Resources(threads=1), processes=processes, retry=retry, callback=callback)


def results(study: StudyFolder) -> dict[str, tuple[str, str]]:
    """Records and results of every finished run, by its name."""
    by_name = {}
    for run in trial_runs(study):
        assert run.folder is not None
        records = (run.folder.path / "records.jsonl").read_text(encoding="utf-8")
        by_name[run.name] = (records, str(run.summary and run.summary["metrics"]))
    return by_name


def value(run: TrialRun) -> float:
    """The loss of a finished run."""
    assert run.summary is not None
    return run.summary["metrics"]["loss"]


def run_names() -> list[str]:
    """The names of all runs."""
    return run_folder.names()


def write(path: Path, text: str) -> Path:
    """Write a study file; returns its path."""
    path.write_text(text, encoding="utf-8")
    return path
