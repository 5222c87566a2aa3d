"""One run of a study, wherever it is carried out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from seqlab.experiment.experiment_config import parse_experiment
from seqlab.schema.errors import DiskError, UserError, WorkError
from seqlab.training import run
from seqlab.training.interrupt import Interrupted
from seqlab.training.progress import Progress

SECONDS_BETWEEN_NEWS = 0.2


@dataclass(frozen=True, kw_only=True)
class Job:
    """A run to carry out: the number of its trial, and its settings."""

    number: int
    config: Mapping[str, Any]
    device: str | None
    threads: int | None


@dataclass(frozen=True)
class JobOutcome:
    """How a run ended. interrupted: somebody asked the whole study to stop. full: the disk is."""

    state: Literal["finished", "failed", "pruned", "interrupted", "full"]
    reason: str = ""


class JobCallback(Protocol):
    """Who follows the runs of a study."""

    def news(self, number: int, share: float, words: str) -> None:
        """How far a run is: a share of its steps, and a few words."""
        ...

    def message(self, number: int, text: str) -> None:
        """A sentence a run has for its user."""
        ...

    def prune(self, number: int, epoch: float, values: Mapping[str, float]) -> str:
        """Why a run should be stopped behind a validation of these metrics; "" where it should go on."""
        ...


def run_job(job: Job, watch: JobCallback) -> JobOutcome:
    """Train to the end, or go on, or find it finished; whatever goes wrong becomes an outcome."""
    callback = _Listener(job, watch)
    try:
        run.train(parse_experiment(job.config), device=job.device, threads=job.threads, callback=callback)
    except DiskError as error:
        return JobOutcome("full", str(error))
    except (UserError, WorkError) as error:
        return JobOutcome("failed", str(error))
    except Interrupted:
        return JobOutcome("pruned", callback.pruned) if callback.pruned else JobOutcome("interrupted")
    except KeyboardInterrupt:
        return JobOutcome("interrupted")
    except Exception as error:
        # One run's fault must not take the others with it.
        return JobOutcome("failed", f"{type(error).__name__}: {error}")
    return JobOutcome("finished")


class _Listener:
    """Passes on what a run tells, seldom enough to cost nothing."""

    def __init__(self, job: Job, watch: JobCallback, clock: Callable[[], float] = time.monotonic):
        self._job, self._watch, self._clock = job, watch, clock
        self._told = -SECONDS_BETWEEN_NEWS
        self.pruned = ""

    def step(self, progress: Progress, loss: float, total_epochs: float) -> None:
        now = self._clock()
        if now - self._told >= SECONDS_BETWEEN_NEWS:
            self._told = now
            share = min(1.0, progress.moment.epoch / total_epochs)
            self._watch.news(self._job.number, share, f"loss {loss:.3f}")

    def validated(self, progress: Progress, metrics: dict[str, float], best: bool) -> bool:
        """See `Listener`; a run that has come to its end is not stopped any more."""
        if not progress.stopped:
            self.pruned = self._watch.prune(self._job.number, progress.moment.epoch, metrics)
        return bool(self.pruned)

    def scored(self, done: int, total: int) -> None:
        now = self._clock()
        if now - self._told >= SECONDS_BETWEEN_NEWS:
            self._told = now
            self._watch.news(self._job.number, 1.0, "scoring")

    def message(self, text: str) -> None:
        """See `Listener`; what every run says is left out."""
        if text.startswith(("Not to the bit", "Note: ")):
            self._watch.message(self._job.number, text)
