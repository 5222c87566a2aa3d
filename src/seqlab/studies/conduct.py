"""Carrying a study out: gives out its runs, takes in how they end, until none is left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Protocol

from typing_extensions import override

from seqlab.compare.study_cells import trial_run, trial_runs
from seqlab.runs import study_folder
from seqlab.runs.study_folder import Event, StudyFolder, Trial
from seqlab.schema.config import plain
from seqlab.schema.errors import DiskError
from seqlab.studies.design import Design
from seqlab.studies.executors import Executor, JobSource
from seqlab.studies.job import Job, JobCallback, JobOutcome
from seqlab.studies.plan import StudyPlan, plan_of, stopped
from seqlab.studies.standing import check_sound, gone, monitor_of_trial
from seqlab.studies.trials import Adjust


class StudyCallback(Protocol):
    """Who sees a study being carried out."""

    def begins(self, one: Trial, total: int) -> None:
        """A run begins; total is the number of all, at the most."""
        ...

    def news(self, number: int, share: float, words: str) -> None:
        """How far a run is."""
        ...

    def message(self, number: int, text: str) -> None:
        """A sentence for the user; number 0 is of the study itself."""
        ...

    def ended(self, one: Trial, outcome: JobOutcome, value: float | None) -> None:
        """A run ended; value is of the metric it is judged by."""
        ...


@dataclass(frozen=True, kw_only=True)
class Resources:
    """Where the runs of a study are computed, and on how many threads each."""

    device: str | None = None
    threads: int | None = None


def begin(design: Design, adjust: Adjust) -> tuple[StudyFolder, StudyPlan]:
    """The study's folder and plan; runs that are known beforehand are noted before the first one begins.

    Raises:
        UserError: an axis is wrong, or the study was begun with other settings.
    """
    design.check()
    tables = {name: recipe.table for name, recipe in design.recipes.items()}
    config, version = design.config, metadata.version("seqlab")
    folder = study_folder.begin(config.name, plain(config), tables, version)
    return folder, plan_of(config, design, folder, adjust)


def run_trials(plan: StudyPlan, executor: Executor, place: Resources, viewer: StudyCallback) -> None:
    """Carry out every run that is not done yet.

    Raises:
        UserError: another process carries the study out, or the folder of a finished run is damaged.
        KeyboardInterrupt: somebody asked to stop; all is saved.
        DiskError: the disk is full.
    """
    with plan.folder.lock():
        plan.note()
        known = trial_runs(plan.folder)
        check_sound(known)
        for one in gone(known):
            words = f"The folder of run {one.trial.number}, {one.trial.run}, is gone: it is trained again."
            viewer.message(0, words)
        conductor = Conductor(plan, place, viewer)
        try:
            executor.run(conductor, conductor)
        except KeyboardInterrupt:
            ended = len(plan.folder.events())
            raise KeyboardInterrupt(
                f"Stopped; {ended} of {plan.total} runs have ended and nothing is lost. "
                "The same command goes on from here."
            ) from None
    if conductor.full:
        raise DiskError(f"{conductor.full} Then the same command goes on with the study.")


class Conductor(JobSource, JobCallback):
    """Gives out the runs of a plan and notes what becomes of them."""

    def __init__(self, plan: StudyPlan, place: Resources, viewer: StudyCallback):
        self._plan, self._place, self._viewer = plan, place, viewer
        self._running: dict[int, Trial] = {}
        self._runs = plan.runs()
        self.full = ""

    @override
    def next(self) -> Job | None:
        one = next(self._runs, None)
        if one is None:
            return None
        self._running[one.number] = one
        self._viewer.begins(one, self._plan.total)
        place = self._place
        return Job(number=one.number, config=one.config, device=place.device, threads=place.threads)

    @override
    def done(self, number: int, outcome: JobOutcome) -> bool:
        """See `executors.Work`; what became of a run is on disk before anything else begins."""
        one, folder = self._running.pop(number), self._plan.folder
        if outcome.state == "full":
            self.full = outcome.reason
        elif outcome.state != "interrupted":
            folder.add_event(Event(trial=number, state=outcome.state, reason=outcome.reason))
        summary = trial_run(one).summary if outcome.state == "finished" else None
        metrics = summary["metrics"] if summary else {}
        self._viewer.ended(one, outcome, metrics.get(monitor_of_trial(one).name))
        return outcome.state not in ("interrupted", "full")

    @override
    def news(self, number: int, share: float, words: str) -> None:
        self._viewer.news(number, share, words)

    @override
    def message(self, number: int, text: str) -> None:
        self._viewer.message(number, text)

    @override
    def prune(self, number: int, epoch: float, values: Mapping[str, float]) -> str:
        one = self._running[number]
        metric = monitor_of_trial(one).name
        # The validation at hand is in the run's records already, or not, where the system kept them back.
        before = [point for point in trial_run(one).course(metric) if point[0] < epoch]
        wanted = self._plan.should_stop(one, [*before, (epoch, values[metric])])
        return stopped(epoch) if wanted else ""
