"""The cells of a study: what each setting came to with each seed, read from the folders of its runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from seqlab.runs import run_folder
from seqlab.runs.run_folder import RunFolder
from seqlab.runs.run_shapes import RunSummary
from seqlab.runs.study_folder import Event, StudyFolder, Trial
from seqlab.schema.errors import UserError
from seqlab.schema.metric_spec import MetricSpec
from seqlab.schema.records import Scalar

EPOCHS = "training.epochs"


@dataclass(frozen=True, kw_only=True)
class StudyCell:
    """One setting with one seed.

    setting: values of the study's axes but those that tell the architecture. value: of the monitor on
    the validation split: where epochs are an axis, after the last of them; else of the run's result. None
    where it is `censored`: the words say why. epochs: passes behind which the value stands, None for a
    run's result. baseline: the run is one of those that every other is held against.
    """

    trial: int
    run: str
    architecture: str
    setting: Mapping[str, Any]
    seed: int
    epochs: int | None
    value: float | None
    censored: str
    baseline: bool

    @property
    def group(self) -> tuple[str, tuple[tuple[str, Any], ...]]:
        """Equal for cells that differ in nothing but the seed."""
        return self.architecture, tuple((key, str(value)) for key, value in self.setting.items())


@dataclass(frozen=True)
class TrialRun:
    """A trial with the folder of its run; None where there is none (yet)."""

    trial: Trial
    folder: RunFolder | None
    event: Event | None

    @cached_property
    def summary(self) -> RunSummary | None:
        """Results of a finished run; None of another one.

        Raises:
            UserError: the folder is damaged.
        """
        return self.folder.summary() if self.folder is not None and self.folder.finished else None

    def measured(self, metric: str) -> float | None:
        """A metric of a finished run, of its task or of its truth card; None where it is not known."""
        if self.summary is None or self.folder is None:
            return None
        value = self.summary["metrics"].get(metric)
        oracle = self.folder.oracle_card() if value is None else None
        return value if oracle is None else oracle["metrics"].get(metric)

    def course(self, metric: str) -> tuple[tuple[float, float], ...]:
        """(epoch, value) of each validation so far."""
        if self.folder is None:
            return ()
        return tuple(
            (moment.epoch, record.value)
            for record, moment in self.folder.records()
            if isinstance(record, Scalar) and (record.name, record.split) == (metric, "valid")
        )


def trial_runs(study: StudyFolder) -> list[TrialRun]:
    """Every trial of a study with its run."""
    events = study.events()
    return [trial_run(trial, events.get(trial.number)) for trial in study.trials()]


def trial_run(trial: Trial, event: Event | None = None) -> TrialRun:
    """A trial with its run."""
    return TrialRun(trial, _open(trial.run), event)


def cells(trial_run: Sequence[TrialRun], metric: str) -> list[StudyCell]:
    """Every cell, in the order of the trials; of a run that answers for several epochs one each."""
    return [cell for one in trial_run for cell in _cells(one, metric)]


def monitor_of_runs(trial_runs: Sequence[TrialRun]) -> MetricSpec | None:
    """The metric that picked the runs' checkpoints, of networks first; None before a run is finished."""
    for one in sorted(trial_runs, key=lambda one: one.trial.baseline):
        if one.summary is not None:
            return MetricSpec(**one.summary["monitor"])
    return None


def _cells(one: TrialRun, metric: str) -> Iterator[StudyCell]:
    trial = one.trial
    if not trial.epochs:
        value = one.measured(metric)
        without = f"{metric} is not known of it" if one.summary else _why(one)
        yield _cell(trial, trial.setting, None, value, "" if value is not None else without)
        return
    course = dict(one.course(metric))
    for epochs in trial.epochs:
        value = course.get(float(epochs))
        why = "" if value is not None else _why(one)
        yield _cell(trial, {**trial.setting, EPOCHS: epochs}, epochs, value, why)


def _cell(
    trial: Trial, setting: Mapping[str, Any], epochs: int | None, value: float | None, why: str
) -> StudyCell:
    return StudyCell(
        trial=trial.number,
        run=trial.run,
        architecture=trial.architecture,
        setting=setting,
        seed=trial.seed,
        epochs=epochs,
        value=value,
        censored=why,
        baseline=trial.baseline,
    )


def _why(one: TrialRun) -> str:
    """Why a cell has no value."""
    if one.event is not None and one.event.state != "finished":
        return f"{one.event.state}: {one.event.reason}"
    if one.summary is not None:
        return f"training ended before: {one.summary['stopped']}"
    return "not finished" if one.folder is not None else "not begun"


def _open(name: str) -> RunFolder | None:
    path = run_folder.root() / name
    try:
        return run_folder.open_run(path) if path.exists() else None
    except UserError:
        return None
