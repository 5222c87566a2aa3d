"""One run of a study, in whichever process it is computed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from seqlab.experiment.experiment_config import parse_experiment
from seqlab.schema.errors import DiskError, DivergedError, InUseError, UserError, WorkError
from seqlab.schema.own_errors import describe
from seqlab.schema.records import Text
from seqlab.training import run
from seqlab.training.callback import Counted
from seqlab.training.interrupt import Interrupted
from seqlab.training.progress import Progress

SECONDS_BETWEEN_REPORTS = 0.2
"""Least time between two reports of a run's progress, so that they cost nothing."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A run to train: the number of its trial, and its settings."""

    number: int
    config: Mapping[str, Any]
    device: str | None
    threads: int | None


@dataclass(frozen=True)
class JobOutcome:
    """How a run ended. diverged: its loss became too large, or not finite. pruned: the study stopped it.

    interrupted: the whole study was asked to stop. full: the disk is full. in use: it has not ended, as
    another process trains it.
    """

    state: Literal["finished", "failed", "diverged", "pruned", "interrupted", "full", "in use"]
    reason: str = ""


class JobCallback(Protocol):
    """Called while the runs of a study are trained."""

    def progressed(self, number: int, share: float, text: str) -> None:
        """The share of a run's steps that is done, from 0 to 1, with a few words."""
        ...

    def message(self, number: int, text: str) -> None:
        """A sentence of a run for the user."""
        ...

    def prune(self, number: int, epoch: float, values: Mapping[str, float]) -> str:
        """Why a run should stop after a validation with these metrics; "" where it should continue."""
        ...


def run_job(job: Job, callback: JobCallback) -> JobOutcome:
    """Train a run to its end, resuming it where it has begun; whatever goes wrong becomes an outcome."""
    reporter = _JobReporter(job, callback)
    try:
        run.train(parse_experiment(job.config), device=job.device, threads=job.threads, callback=reporter)
    except BaseException as error:  # code of the user's own may even end the program
        return _outcome(error, reporter.pruned)
    return JobOutcome("finished")


def _outcome(error: BaseException, pruned: str) -> JobOutcome:
    """The outcome of a run that ended with an error; `pruned`: why it was stopped, if so."""
    match error:
        case DiskError():
            outcome = JobOutcome("full", str(error))
        case InUseError():
            outcome = JobOutcome("in use", str(error))
        case DivergedError():
            outcome = JobOutcome("diverged", str(error))
        case UserError() | WorkError():
            outcome = JobOutcome("failed", str(error))
        # A pruned run is stopped as if by Ctrl-C, so that everything is saved.
        case Interrupted() if pruned:
            outcome = JobOutcome("pruned", pruned)
        case KeyboardInterrupt():
            outcome = JobOutcome("interrupted")
        case _:
            # A fault in one run must not end the others.
            outcome = JobOutcome("failed", describe(error))
    return outcome


class _JobReporter:
    """Forwards the calls of one run to the callback of a study."""

    def __init__(self, job: Job, callback: JobCallback, clock: Callable[[], float] = time.monotonic):
        self._job, self._callback, self._clock = job, callback, clock
        self._reported_at = -SECONDS_BETWEEN_REPORTS
        self.pruned = ""

    def step(self, progress: Progress, loss: float, total_epochs: float) -> None:
        self._report(min(1.0, progress.moment.epoch / total_epochs), f"loss {loss:.3f}")

    def validated(self, progress: Progress, metrics: dict[str, float], best: bool) -> bool:
        # A run whose training has ended is not pruned any more.
        if not progress.stopped:
            self.pruned = self._callback.prune(self._job.number, progress.moment.epoch, metrics)
        return bool(self.pruned)

    def sampled(self, samples: Sequence[Text], valid: Counted | None) -> None:
        pass

    def scored(self, done: int, total: int) -> None:
        self._report(1.0, "scoring")

    def message(self, text: str) -> None:
        # Other messages are the same for every run of the study.
        if text.startswith(("Not the same bits", "Note: ")):
            self._callback.message(self._job.number, text)

    def _report(self, share: float, text: str) -> None:
        now = self._clock()
        if now - self._reported_at >= SECONDS_BETWEEN_REPORTS:
            self._reported_at = now
            self._callback.progressed(self._job.number, share, text)
