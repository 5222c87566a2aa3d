"""Running a study's trials: starts its runs and records how they end, until none is left."""

from __future__ import annotations

from collections.abc import Mapping

from typing_extensions import override

from seqlab.comparison.study_cells import trial_run, trial_runs
from seqlab.runs.study_records import Event, Trial
from seqlab.schema.errors import DiskError
from seqlab.studies.executors import Executor, JobSource
from seqlab.studies.job import Job, JobCallback, JobOutcome
from seqlab.studies.resources import Resources
from seqlab.studies.study_callback import StudyCallback
from seqlab.studies.study_plan import StudyPlan, stop_reason
from seqlab.studies.trial_state import check_readable, is_in_use, missing, monitor_of


def run_trials(plan: StudyPlan, executor: Executor, resources: Resources, callback: StudyCallback) -> None:
    """Run every trial that is not done yet.

    Raises:
        UserError: the folder of a finished run is damaged.
        InUseError: another process runs the study.
        KeyboardInterrupt: a stop was requested; everything is saved.
        DiskError: the disk is full.
    """
    with plan.folder.lock():
        plan.prepare()
        runs = trial_runs(plan.folder)
        check_readable(runs)
        for run in missing(runs):
            text = f"The folder of run {run.trial.number}, {run.trial.run}, is missing: it is trained again."
            callback.message(0, text)
        queue = TrialQueue(plan, resources, callback)
        try:
            executor.run(queue, queue)
        except KeyboardInterrupt:
            ended = len(plan.folder.events())
            raise KeyboardInterrupt(
                f"Stopped; {ended} of {plan.total} runs have ended and nothing is lost. "
                "The same command continues the study."
            ) from None
    if queue.disk_error:
        raise DiskError(f"{queue.disk_error} Then the same command continues the study.")


class TrialQueue(JobSource, JobCallback):
    """The runs of a plan as jobs; records how each ends. disk_error: why the disk could not be written."""

    def __init__(self, plan: StudyPlan, resources: Resources, callback: StudyCallback):
        self._plan, self._resources, self._callback = plan, resources, callback
        self._running: dict[int, Trial] = {}
        self._in_use: dict[int, Trial] = {}
        """Runs that other processes train; the study comes back to them."""
        self._diverged: set[int] = set()
        """Runs that are being stopped for a loss above the study's limit."""
        self._runs = plan.runs()
        self._ask_plan = True
        self.disk_error = ""

    @override
    def next(self) -> Job | None:
        trial = self._planned() or self._released()
        if trial is None:
            return None
        self._running[trial.number] = trial
        self._callback.started(trial, self._plan.total)
        device, threads = self._resources.device, self._resources.threads
        return Job(number=trial.number, config=trial.config, device=device, threads=threads)

    def _planned(self) -> Trial | None:
        """The next run of the plan, which is asked again only after another run has ended."""
        trial = next(self._runs, None) if self._ask_plan else None
        self._ask_plan = trial is not None
        return trial

    def _released(self) -> Trial | None:
        """A run that another process trained and does not hold any more."""
        free = (number for number, trial in self._in_use.items() if not is_in_use(trial_run(trial)))
        number = next(free, None)
        return None if number is None else self._in_use.pop(number)

    @property
    @override
    def waiting(self) -> bool:
        return bool(self._in_use)

    @override
    def finish(self, number: int, outcome: JobOutcome) -> bool:
        """Record an outcome on disk before anything else begins."""
        trial = self._running.pop(number)
        self._ask_plan = True
        if outcome.state == "pruned" and number in self._diverged:
            outcome = JobOutcome("diverged", outcome.reason)
        if outcome.state == "full":
            self.disk_error = outcome.reason
        elif outcome.state == "in use":
            self._in_use[number] = trial
            self._callback.message(
                0, f"Another process trains run {number}: the study waits for it after its other runs."
            )
        elif outcome.state != "interrupted":
            self._plan.folder.add_event(Event(trial=number, state=outcome.state, reason=outcome.reason))
        summary = trial_run(trial).summary if outcome.state == "finished" else None
        metrics = {} if summary is None else summary["metrics"]
        self._callback.ended(trial, outcome, metrics.get(monitor_of(trial).name))
        return outcome.state not in ("interrupted", "full")

    @override
    def progressed(self, number: int, share: float, text: str) -> None:
        self._callback.progressed(number, share, text)

    @override
    def message(self, number: int, text: str) -> None:
        self._callback.message(number, text)

    @override
    def prune(self, number: int, epoch: float, values: Mapping[str, float]) -> str:
        trial = self._running[number]
        if why := self._plan.divergence([(epoch, values["loss"])] if "loss" in values else []):
            self._diverged.add(number)
            return why
        metric = monitor_of(trial).name
        # This validation may be in the run's records already, or still in the system's buffers.
        earlier = [point for point in trial_run(trial).course(metric) if point[0] < epoch]
        stop = self._plan.should_stop(trial, [*earlier, (epoch, values[metric])])
        return stop_reason(epoch) if stop else ""
