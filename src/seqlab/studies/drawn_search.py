"""Searches that draw settings: each with the first seed, then the best ones with the other seeds.

A search reads nothing but the history of its trials, so a study can resume from its folder alone.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from pydantic import Field
from typing_extensions import override

from seqlab.comparison.study_cells import TrialRun, trial_runs
from seqlab.runs.study_folder import StudyFolder
from seqlab.runs.study_records import Trial
from seqlab.schema.errors import UserError
from seqlab.schema.metric_spec import MetricSpec
from seqlab.studies.axis import Axis
from seqlab.studies.search_config import SearchConfig
from seqlab.studies.search_space import SearchSpace
from seqlab.studies.search_trial import SearchTrial, ValidationCurve
from seqlab.studies.study_plan import StudyPlan
from seqlab.studies.trial_state import monitor_of, search_trial, state

_REDRAWS = 1000
"""Draws of a setting that was not tried yet, before the search gives up."""

Pruner = Callable[[MetricSpec, Sequence[SearchTrial], SearchTrial, int], bool]
"""Whether to stop a running trial, from the monitored metric, earlier trials, itself, and its most epochs."""


class DrawnSearchConfig(SearchConfig, ABC):
    """What searches share that draw some settings only."""

    exhaustive: ClassVar[bool] = False

    trials: int = Field(default=20, ge=1)
    """Settings tried of each architecture, with the first seed."""
    confirm: int = Field(default=1, ge=0)
    """Best settings of each architecture that are then run with the other seeds, too."""
    seed: int = Field(default=1, ge=0)
    """Seed of the draws."""

    @abstractmethod
    def draw(
        self,
        axes: Sequence[Axis],
        monitor: MetricSpec,
        history: Sequence[SearchTrial],
        *,
        random: np.random.Generator,
        attempt: int,
    ) -> dict[str, Any]:
        """A setting; `attempt` counts draws of the same trial that repeated an earlier setting."""

    @abstractmethod
    def pruner(self) -> Pruner | None:
        """What stops runs early; None where every run continues to its end."""

    @override
    def check(self, axes: Sequence[Axis]) -> None:
        pass

    @override
    def expected(self, space: SearchSpace) -> list[Trial]:
        setting = {axis.key: axis.middle for axis in space.axes}
        trials = space.baselines()
        for architecture in space.architectures:
            for _ in range(self.runs_per_architecture(space.axes, len(space.seeds))):
                number = len(trials) + 1
                trials.append(space.trial(architecture, setting, number=number, seed=space.seeds[0]))
        return trials

    @override
    def plan(self, space: SearchSpace, folder: StudyFolder) -> StudyPlan:
        return DrawnPlan(self, space, folder)

    @override
    def runs_per_architecture(self, axes: Sequence[Axis], seeds: int) -> int:
        settings = int(min(self.trials, math.prod(axis.size for axis in axes)))
        return settings + min(self.confirm, settings) * (seeds - 1)

    def propose(
        self,
        axes: Sequence[Axis],
        monitor: MetricSpec,
        history: Sequence[SearchTrial],
        index: int,
        fits: Callable[[Mapping[str, Any]], bool] = lambda setting: True,
    ) -> dict[str, Any] | None:
        """The next setting of an architecture; None where every setting was tried.

        Args:
            axes: what settings consist of.
            monitor: the metric to improve.
            history: all trials of the architecture so far, in their order.
            index: of the architecture among the others.
            fits: whether the values of a setting fit each other; one that does not is drawn again.
        """
        known = [dict(trial.setting) for trial in history]
        if len(known) >= math.prod(axis.size for axis in axes):
            return None
        for attempt in range(_REDRAWS):
            # Seeded by the state of the search alone, so that a resumed search draws the same settings.
            random = np.random.default_rng([self.seed, index, len(history), attempt])
            setting = self.draw(axes, monitor, history, random=random, attempt=attempt)
            if setting not in known and fits(setting):
                return setting
        return None


class DrawnPlan(StudyPlan):
    """Settings of each architecture in turn with the first seed, then the best ones with the other seeds."""

    def __init__(self, search: DrawnSearchConfig, space: SearchSpace, folder: StudyFolder):
        super().__init__(space, folder)
        self._search, self._should_prune = search, search.pruner()

    @override
    def prepare(self) -> None:
        known = self.folder.trials()
        for trial in self.space.baselines()[len(known) :]:
            self.folder.add_trial(trial)

    @override
    def runs(self) -> Iterator[Trial | None]:
        yield from self.open_runs()
        yield from self._searched()
        # Which settings are the best is known once every run of the search has ended.
        while any(state(run) == "open" for run in trial_runs(self.folder) if self._is_searched(run.trial)):
            yield None
        yield from self._confirmed()

    @property
    @override
    def total(self) -> int:
        each = self._search.runs_per_architecture(self.space.axes, len(self.space.seeds))
        return each * len(self.space.architectures) + len(self.space.baselines())

    @override
    def should_stop(self, trial: Trial, curve: ValidationCurve) -> bool:
        """What the pruner decides from the earlier runs of the same architecture.

        The further seeds of the best settings are never stopped: they measure, and search no more.
        """
        if self._should_prune is None or not self._is_searched(trial):
            return False
        monitor = monitor_of(trial)
        earlier = [
            search_trial(run, monitor)
            for run in trial_runs(self.folder)
            if run.trial.architecture == trial.architecture
            and run.trial.number < trial.number
            and self._is_searched(run.trial)
        ]
        # Later runs are left out, so that the decision is the same when a study resumes.
        running = SearchTrial(setting=trial.setting, state="open", value=None, curve=tuple(curve))
        return self._should_prune(monitor, earlier, running, trial.config["training"]["epochs"])

    def _searched(self) -> Iterator[Trial]:
        for count in range(self._search.trials):
            for index, architecture in enumerate(self.space.architectures):
                history = self._history(architecture)
                # A resumed search has some of these runs already.
                if len(history) > count:
                    continue
                setting = self._proposed(architecture, index, history)
                if setting is not None:
                    yield self._recorded(architecture, setting, self.space.seeds[0])

    def _proposed(
        self, architecture: Mapping[str, Any], index: int, history: Sequence[TrialRun]
    ) -> dict[str, Any] | None:
        """The next setting of an architecture, whose values fit each other.

        Raises:
            UserError: no setting fits; why the last one drawn does not.
        """
        misfits: list[UserError] = []

        def fits(setting: Mapping[str, Any]) -> bool:
            try:
                self.space.trial(architecture, setting, number=0, seed=self.space.seeds[0])
            except UserError as error:
                misfits.append(error)
                return False
            return True

        monitor = self.space.monitor(architecture)
        known = [search_trial(run, monitor) for run in history]
        setting = self._search.propose(self.space.axes, monitor, known, index, fits)
        if setting is None and misfits and not history:
            raise misfits[-1]
        return setting

    def _confirmed(self) -> Iterator[Trial]:
        for seed in self.space.seeds[1:]:
            for architecture in self.space.architectures:
                for setting in self._best(architecture):
                    if not self._is_recorded(architecture, setting, seed):
                        yield self._recorded(architecture, setting, seed)

    def _is_searched(self, trial: Trial) -> bool:
        """Whether a run is one of the search itself, which uses the first seed."""
        return trial.seed == self.space.seeds[0] and not trial.baseline

    def _history(self, architecture: Mapping[str, Any]) -> list[TrialRun]:
        """The runs of an architecture with the first seed."""
        # Read again for each draw: runs end between two of them.
        wanted = (self.space.name(architecture), self.space.seeds[0])
        return [run for run in trial_runs(self.folder) if (run.trial.architecture, run.trial.seed) == wanted]

    def _best(self, architecture: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        monitor = self.space.monitor(architecture)
        trials = [search_trial(run, monitor) for run in self._history(architecture)]
        ended = [trial for trial in trials if trial.value is not None]
        ended.sort(key=lambda trial: trial.value or 0.0, reverse=monitor.better == "higher")
        return [trial.setting for trial in ended[: self._search.confirm]]

    def _is_recorded(self, architecture: Mapping[str, Any], setting: Mapping[str, Any], seed: int) -> bool:
        wanted = (self.space.name(architecture), dict(setting), seed)
        known = self.folder.trials()
        return any((trial.architecture, dict(trial.setting), trial.seed) == wanted for trial in known)

    def _recorded(self, architecture: Mapping[str, Any], setting: Mapping[str, Any], seed: int) -> Trial:
        number = len(self.folder.trials()) + 1
        trial = self.space.trial(architecture, setting, number=number, seed=seed)
        self.folder.add_trial(trial)
        return trial
