"""Small studies that the tests of this room share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seqlab.compare.study_cells import TrialRun, trial_runs
from seqlab.runs import run_folder
from seqlab.runs.study_folder import StudyFolder, Trial
from seqlab.schema.config import parse
from seqlab.studies import perform
from seqlab.studies.conduct import Resources
from seqlab.studies.design import Design
from seqlab.studies.job import JobOutcome
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


class Viewer:
    """Keeps what a study tells."""

    def __init__(self) -> None:
        self.began: list[int] = []
        self.messages: list[str] = []
        self.outcomes: list[tuple[int, str]] = []

    def begins(self, one: Trial, total: int) -> None:
        assert one.number <= total
        self.began.append(one.number)

    def news(self, number: int, share: float, words: str) -> None:
        assert 0 <= share <= 1

    def message(self, number: int, text: str) -> None:
        self.messages.append(text)

    def ended(self, one: Trial, outcome: JobOutcome, value: float | None) -> None:
        assert (value is not None) == (outcome.state == "finished")
        self.outcomes.append((one.number, outcome.state))


def design(**changes: Any) -> Design:
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


def carry_out(
    work: Design, *, processes: int = 1, retry: bool = False, viewer: Viewer | None = None
) -> StudyFolder:
    """To the end, one thread a run."""
    seen = viewer or Viewer()
    return perform.run_study(work, Resources(threads=1), processes=processes, retry=retry, viewer=seen)


def results(study: StudyFolder) -> dict[str, tuple[str, str]]:
    """Records and results of every finished run, by its name."""
    found = {}
    for one in trial_runs(study):
        assert one.folder is not None
        found[one.trial.run] = (
            (one.folder.path / "records.jsonl").read_text(),
            str(one.summary and one.summary["metrics"]),
        )
    return found


def value(one: TrialRun) -> float:
    """The loss of a finished run."""
    assert one.summary is not None
    return one.summary["metrics"]["loss"]


def run_names() -> list[str]:
    """All runs there are."""
    return run_folder.names()


def write(path: Path, text: str) -> Path:
    """A study file."""
    path.write_text(text, encoding="utf-8")
    return path
