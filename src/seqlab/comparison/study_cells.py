"""The cells of a study: the value of each setting with each seed, from the folders of its runs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from seqlab.runs import run_folder
from seqlab.runs.cards import Card
from seqlab.runs.run_folder import RunFolder
from seqlab.runs.run_shapes import RunSummary
from seqlab.runs.study_folder import StudyFolder
from seqlab.runs.study_records import Event, Trial
from seqlab.schema.errors import UserError
from seqlab.schema.metric_spec import MetricSpec
from seqlab.schema.records import Moment, Scalar

EPOCHS = "training.epochs"


@dataclass(frozen=True)
class TrialRun:
    """A trial with the folder of its run, opened; None where there is none (yet), or it is damaged.

    damage: why the folder could not be opened.

    A snapshot: what was read once is kept, so a run that is still being trained needs a new one.
    """

    trial: Trial
    folder: RunFolder | None
    event: Event | None
    damage: str = ""

    @property
    def name(self) -> str:
        """Name of the run's folder; before there is one, the reference to it."""
        return self.trial.run if self.folder is None else self.folder.path.name

    @cached_property
    def summary(self) -> RunSummary | None:
        """Results of a finished run; None of another one.

        Raises:
            UserError: the folder is damaged.
        """
        return self.folder.summary() if self.folder is not None and self.folder.finished else None

    def measured(self, metric: str) -> float | None:
        """A metric of a finished run, of its task or of its oracle card; None where it is not known."""
        if self.summary is None or self.folder is None:
            return None
        value = self.summary["metrics"].get(metric)
        oracle = self.folder.oracle_card() if value is None else None
        return value if oracle is None else oracle["metrics"].get(metric)

    def validations(self, metric: str) -> list[tuple[Moment, float]]:
        """A metric's values on the validation split so far, while training."""
        return self._validations.get(metric, [])

    @cached_property
    def _validations(self) -> dict[str, list[tuple[Moment, float]]]:
        values: dict[str, list[tuple[Moment, float]]] = {}
        for record, moment in [] if self.folder is None else self.folder.records():
            if isinstance(record, Scalar) and record.split == "valid":
                values.setdefault(record.name, []).append((moment, record.value))
        return values

    def course(self, metric: str) -> tuple[tuple[float, float], ...]:
        """(epoch, value) of each validation so far."""
        return tuple((moment.epoch, value) for moment, value in self.validations(metric))


@dataclass(frozen=True)
class EarlyEnd:
    """How a run ended before it had the value of a cell.

    kind: `stopped` by its own settings, such as `training.patience`, so that the value is not known but need
    not be bad; the others are states of an `Event`. epochs: passes up to its last validation.
    """

    kind: Literal["stopped", "diverged", "failed", "pruned"]
    epochs: float


@dataclass(frozen=True, kw_only=True)
class StudyCell:
    """One setting with one seed.

    run: the trial with its run. setting: values of the study's axes, without those that define the
    architecture. value: of the monitor on the validation split: where epochs are an axis, after the last of
    them; else of the run's result. None where it is `censored`, which gives the reason. epochs: passes after
    which the value was measured; None for a run's result. ending: of a censored cell; None where the run is
    not done, or damaged.
    """

    run: TrialRun
    setting: Mapping[str, Any]
    epochs: int | None
    value: float | None
    censored: str
    ending: EarlyEnd | None = None

    @property
    def architecture(self) -> str:
        """What is compared."""
        return self.run.trial.architecture

    @property
    def seed(self) -> int:
        """The run's seed."""
        return self.run.trial.seed

    @property
    def baseline(self) -> bool:
        """Whether every other run is compared with this one."""
        return self.run.trial.baseline

    @property
    def group(self) -> tuple[str, tuple[tuple[str, Any], ...]]:
        """Equal for cells that differ in nothing but the seed."""
        return self.architecture, tuple((key, str(value)) for key, value in self.setting.items())


@dataclass(frozen=True)
class FinalScore:
    """A run on the test split: the architecture that validation chose it for, and its card."""

    architecture: str
    card: Card


@dataclass(frozen=True)
class OpenStudy:
    """A study with every run opened: read once, and passed to whatever needs it.

    about: the study's settings. runs: all trials, in their order. recipes: those that it extends, by name.
    tested: the runs of the last evaluation on the test split.
    """

    name: str
    about: Mapping[str, Any]
    runs: tuple[TrialRun, ...]
    recipes: Mapping[str, Any] = field(default_factory=dict)
    tested: tuple[FinalScore, ...] = ()


def open_study(folder: StudyFolder) -> OpenStudy:
    """Read a study's folder and open those of its runs.

    Raises:
        UserError: the study's folder is damaged.
    """
    about = folder.about()
    runs = tuple(trial_runs(folder))
    return OpenStudy(folder.name, about["study"], runs, about["recipes"], tuple(_tested(folder)))


def _tested(folder: StudyFolder) -> Iterator[FinalScore]:
    for last in folder.test_evaluations()[-1:]:
        for name, architecture in zip(last.runs, last.architectures, strict=False):
            # A run that was deleted or damaged since leaves the others.
            with suppress(UserError):
                card = run_folder.find(name).card(last.split)
                if card is not None:
                    yield FinalScore(architecture, card)


def trial_runs(study: StudyFolder) -> list[TrialRun]:
    """Every trial of a study with its run."""
    events = study.events()
    return [trial_run(trial, events.get(trial.number)) for trial in study.trials()]


def trial_run(trial: Trial, event: Event | None = None) -> TrialRun:
    """A trial with its run."""
    folder, damage = _open(trial.run)
    return TrialRun(trial, folder, event, damage)


def cells(trial_runs: Sequence[TrialRun], metric: str) -> list[StudyCell]:
    """Every cell, in the order of the trials; a run that covers several epochs has one for each."""
    return [cell for run in trial_runs for cell in _readable_cells(run, metric)]


def monitor_of_runs(trial_runs: Sequence[TrialRun]) -> MetricSpec | None:
    """The metric that picked the runs' checkpoints, of networks first; None before a run is finished."""
    # A baseline may monitor another metric than the networks that it is compared with.
    for run in sorted(trial_runs, key=lambda run: run.trial.baseline):
        # A damaged run must not hide the others.
        with suppress(UserError):
            if run.summary is not None:
                return MetricSpec(**run.summary["monitor"])
    return None


def _readable_cells(run: TrialRun, metric: str) -> list[StudyCell]:
    """The cells of a run; where its folder is damaged without values, with the reason."""
    try:
        return list(_cells(run, metric))
    except UserError as error:
        unknown = StudyCell(
            run=run, setting=run.trial.setting, epochs=None, value=None, censored=f"damaged: {error}"
        )
    covered = run.trial.epochs
    if not covered:
        return [unknown]
    setting = run.trial.setting
    return [replace(unknown, setting={**setting, EPOCHS: epochs}, epochs=epochs) for epochs in covered]


def _cells(run: TrialRun, metric: str) -> Iterator[StudyCell]:
    setting, covered = run.trial.setting, run.trial.epochs
    course = run.course(metric)
    if not covered:
        value = run.measured(metric)
        without = f"{metric} is not known of it" if run.summary is not None else _reason(run, course)
        yield _cell(run, setting, None, value, without, course)
        return
    # Epochs are recorded as floats; the end of an epoch is exactly a whole number.
    known, without = dict(course), _reason(run, course)
    for epochs in covered:
        value = known.get(float(epochs))
        yield _cell(run, {**setting, EPOCHS: epochs}, epochs, value, without, course)


def _cell(  # noqa: PLR0917 (the fields of a cell, in their order)
    run: TrialRun,
    setting: Mapping[str, Any],
    epochs: int | None,
    value: float | None,
    without: str,
    course: Sequence[tuple[float, float]],
) -> StudyCell:
    """A cell with its value, or without one for the reason `without`."""
    known = value is not None
    return StudyCell(
        run=run,
        setting=setting,
        epochs=epochs,
        value=value,
        censored="" if known else without,
        ending=None if known else _ending(run, course),
    )


def _ending(run: TrialRun, course: Sequence[tuple[float, float]]) -> EarlyEnd | None:
    """How a run ended; a finished folder counts, whatever an earlier event says."""
    epochs = course[-1][0] if course else 0.0
    if run.summary is not None:
        return EarlyEnd("stopped", epochs)
    if run.damage or run.event is None or run.event.state == "finished":
        return None
    return EarlyEnd(run.event.state, epochs)


def _reason(run: TrialRun, course: Sequence[tuple[float, float]]) -> str:
    """Why a cell has no value; a finished folder counts, whatever an earlier event says."""
    if run.damage:
        return f"damaged: {run.damage}"
    if run.summary is not None:
        after = f" after epoch {course[-1][0]:g}" if course else ""
        return f"stopped{after}: {run.summary['stopped']}"
    if run.event is not None and run.event.state != "finished":
        return f"{run.event.state}: {run.event.reason}"
    return "not finished" if run.folder is not None else "not begun"


def _open(name: str) -> tuple[RunFolder | None, str]:
    """A run by its reference; None where it is missing or damaged, with the reason of damage."""
    path = run_folder.resolve(name)
    try:
        return (run_folder.open_run(path) if os.path.lexists(path) else None), ""
    except UserError as error:
        # One damaged run must not hide the others; its cells are censored.
        return None, str(error)
