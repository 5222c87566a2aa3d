"""The order of a study's runs: all known before the first one, or drawn as results come in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

from seqlab.comparison.study_cells import TrialRun, trial_runs
from seqlab.runs.study_folder import StudyFolder
from seqlab.runs.study_records import Event, Trial
from seqlab.studies.search_space import SearchSpace
from seqlab.studies.search_trial import ValidationCurve
from seqlab.studies.trial_state import monitor_of, state


class StudyPlan(ABC):
    """Picks the next run from the states of all others, so that a study can resume from its folder alone."""

    def __init__(self, space: SearchSpace, folder: StudyFolder):
        self.space, self.folder = space, folder
        self._loss_limit: float | None = folder.about()["study"].get("loss_limit")

    @abstractmethod
    def prepare(self) -> None:
        """Record all runs that are known before the first one begins."""

    @abstractmethod
    def runs(self) -> Iterator[Trial | None]:
        """Every run that is not done, each recorded in the study's folder before it is returned.

        None: the next run depends on the results of others that have not ended yet.
        """

    @property
    @abstractmethod
    def total(self) -> int:
        """Number of runs, at most."""

    @abstractmethod
    def should_stop(self, trial: Trial, curve: ValidationCurve) -> bool:
        """Whether a run should end after the last of its validations so far."""

    def divergence(self, losses: ValidationCurve) -> str:
        """Why a run counts as diverged after the last of its validations so far; empty where it does not."""
        if self._loss_limit is None or not losses or losses[-1][1] <= self._loss_limit:
            return ""
        epoch, loss = losses[-1]
        return f"validation loss {loss:.4g} after epoch {epoch:g}, above 'loss_limit', {self._loss_limit:g}"

    def open_runs(self) -> Iterator[Trial]:
        """Runs that are recorded and not done."""
        for run in trial_runs(self.folder):
            if state(run) == "open" and not self._was_stopped(run):
                yield run.trial

    def _was_stopped(self, run: TrialRun) -> bool:
        """Whether a run had been stopped when the process was killed, before that was recorded."""
        number, curve = run.trial.number, run.course(monitor_of(run.trial).name)
        if reason := self.divergence(run.course("loss")):
            self.folder.add_event(Event(trial=number, state="diverged", reason=reason))
        elif curve and self.should_stop(run.trial, curve):
            self.folder.add_event(Event(trial=number, state="pruned", reason=stop_reason(curve[-1][0])))
        else:
            return False
        return True


def stop_reason(epoch: float) -> str:
    """Why a run was stopped early.

    >>> stop_reason(2.0)
    'stopped after epoch 2, when others had done better'
    """
    return f"stopped after epoch {epoch:g}, when others had done better"
