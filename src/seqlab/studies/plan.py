"""The order in which a study's runs come: all known before the first one, or drawn as results come in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

from typing_extensions import override

from seqlab.compare.study_cells import TrialRun, trial_runs
from seqlab.runs.study_folder import Event, StudyFolder, Trial
from seqlab.schema.metric_spec import MetricSpec
from seqlab.studies import search
from seqlab.studies.design import Design
from seqlab.studies.search import Tried
from seqlab.studies.standing import Course, monitor_of_trial, state, tried
from seqlab.studies.study_config import SomeConfig, StudyConfig, TpeConfig
from seqlab.studies.trials import Adjust, baselines, grid, trial


class StudyPlan(ABC):
    """Says which run is next, from what became of the others, so that it can begin anywhere."""

    def __init__(self, design: Design, folder: StudyFolder, adjust: Adjust):
        self.design, self.folder, self.adjust = design, folder, adjust

    @abstractmethod
    def note(self) -> None:
        """Note all runs that are known before the first one begins."""

    @abstractmethod
    def runs(self) -> Iterator[Trial]:
        """Every run that is not done, each noted before it is given out."""

    @property
    @abstractmethod
    def total(self) -> int:
        """How many runs there will be, at the most."""

    @abstractmethod
    def should_stop(self, one: Trial, course: Course) -> bool:
        """Whether a run should end behind the last of its validations so far."""

    def open(self) -> Iterator[Trial]:
        """Runs that were noted and are not done."""
        for one in trial_runs(self.folder):
            if state(one) == "open" and not self._was_stopped(one):
                yield one.trial

    def _was_stopped(self, one: TrialRun) -> bool:
        """Whether a run had been stopped when the process was killed, before that was noted."""
        course = one.course(monitor_of_trial(one.trial).name)
        if not course or not self.should_stop(one.trial, course):
            return False
        self.folder.add_event(Event(trial=one.trial.number, state="pruned", reason=stopped(course[-1][0])))
        return True


def stopped(epoch: float) -> str:
    """Why a run was stopped early.

    >>> stopped(2.0)
    'stopped after epoch 2, when others had done better'
    """
    return f"stopped after epoch {epoch:g}, when others had done better"


class GridPlan(StudyPlan):
    """A grid: every combination with every seed."""

    @override
    def note(self) -> None:
        known = self.folder.trials()
        for one in grid(self.design, self.adjust)[len(known) :]:
            self.folder.add_trial(one)

    @override
    def runs(self) -> Iterator[Trial]:
        return self.open()

    @property
    @override
    def total(self) -> int:
        return len(self.folder.trials())

    def should_stop(self, one: Trial, course: Course) -> bool:
        """A cell of a grid is always filled."""
        return False


class SearchPlan(StudyPlan):
    """Settings of each architecture in turn with the first seed, then the best ones with the others."""

    def __init__(self, config: SomeConfig, design: Design, folder: StudyFolder, adjust: Adjust):
        super().__init__(design, folder, adjust)
        self._config = config

    def note(self) -> None:
        """Note the baselines; nothing else is known before."""
        known = self.folder.trials()
        for one in baselines(self.design)[len(known) :]:
            self.folder.add_trial(one)

    @override
    def runs(self) -> Iterator[Trial]:
        yield from self.open()
        first, *others = self.design.config.seeds
        for count in range(self._config.trials):
            for place, architecture in enumerate(self.design.architectures):
                if len(self._of(architecture)) <= count:
                    setting = self._propose(architecture, place)
                    if setting is not None:
                        yield self._noted(architecture, setting, first)
        for seed in others:
            for architecture in self.design.architectures:
                for setting in self._best(architecture):
                    if not self._has(architecture, setting, seed):
                        yield self._noted(architecture, setting, seed)

    @property
    @override
    def total(self) -> int:
        each = self._config.trials + self._config.confirm * (len(self.design.config.seeds) - 1)
        return each * len(self.design.architectures) + len(baselines(self.design))

    def should_stop(self, one: Trial, course: Course) -> bool:
        """What the pruner says, who sees the runs of the same architecture that were begun before."""
        config = self._config
        if not isinstance(config, TpeConfig) or config.pruning == "none":
            return False
        monitor = monitor_of_trial(one)
        others = [
            tried(item, monitor)
            for item in trial_runs(self.folder)
            if item.trial.architecture == one.architecture and item.trial.number < one.number
        ]
        running = Tried(setting=one.setting, state="open", value=None, course=tuple(course))
        return search.should_stop(config, monitor, others, running, one.config["training"].get("epochs", 10))

    def _propose(self, architecture: Mapping[str, Any], place: int) -> dict[str, Any] | None:
        monitor = self._monitor(architecture)
        past = [tried(one, monitor) for one in self._of(architecture)]
        return search.propose(self._config, self.design.setting_axes, monitor, past, place)

    def _of(self, architecture: Mapping[str, Any]) -> list[TrialRun]:
        """What was tried of an architecture with the first seed."""
        name, first = self.design.named(architecture), self.design.config.seeds[0]
        return [
            one
            for one in trial_runs(self.folder)
            if (one.trial.architecture, one.trial.seed) == (name, first)
        ]

    def _best(self, architecture: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        monitor = self._monitor(architecture)
        done = [
            one
            for one in (tried(found, monitor) for found in self._of(architecture))
            if one.value is not None
        ]
        done.sort(key=lambda one: one.value or 0.0, reverse=monitor.better == "higher")
        return [one.setting for one in done[: self._config.confirm]]

    def _has(self, architecture: Mapping[str, Any], setting: Mapping[str, Any], seed: int) -> bool:
        wanted = (self.design.named(architecture), dict(setting), seed)
        known = self.folder.trials()
        return any((one.architecture, dict(one.setting), one.seed) == wanted for one in known)

    def _monitor(self, architecture: Mapping[str, Any]) -> MetricSpec:
        return self.design.experiment(architecture, self.design.config.seeds[0]).task.monitor_spec

    def _noted(self, architecture: Mapping[str, Any], setting: Mapping[str, Any], seed: int) -> Trial:
        number = len(self.folder.trials()) + 1
        one = trial(self.design, architecture, setting, number=number, seed=seed, adjust=self.adjust)
        self.folder.add_trial(one)
        return one


def plan_of(config: StudyConfig, design: Design, folder: StudyFolder, adjust: Adjust) -> StudyPlan:
    """The plan that a study's search asks for."""
    if isinstance(config.search, SomeConfig):
        return SearchPlan(config.search, design, folder, adjust)
    return GridPlan(design, folder, adjust)
