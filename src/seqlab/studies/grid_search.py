"""Grid search: every combination of the axes' values, with every seed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

from typing_extensions import override

from seqlab.runs.study_folder import StudyFolder
from seqlab.runs.study_records import Trial
from seqlab.studies.axes import EPOCHS, combinations
from seqlab.studies.axis import Axis
from seqlab.studies.search_config import SearchConfig
from seqlab.studies.search_space import SearchSpace
from seqlab.studies.search_trial import ValidationCurve
from seqlab.studies.study_plan import StudyPlan


class GridConfig(SearchConfig):
    """Every combination of the axes' values, with every seed."""

    exhaustive: ClassVar[bool] = True

    kind: Literal["grid"] = "grid"
    """Name of the search."""

    @override
    def check(self, axes: Sequence[Axis]) -> None:
        for axis in axes:
            axis.grid()

    @override
    def runs_per_architecture(self, axes: Sequence[Axis], seeds: int) -> int:
        return math.prod(len(axis.grid()) for axis in axes) * seeds

    @override
    def expected(self, space: SearchSpace) -> list[Trial]:
        return grid(space)

    @override
    def plan(self, space: SearchSpace, folder: StudyFolder) -> StudyPlan:
        return GridPlan(space, folder)


class GridPlan(StudyPlan):
    """Runs a grid; all of its runs are known from the beginning."""

    @override
    def prepare(self) -> None:
        # A study that was interrupted here continues the list, whose order never changes.
        known = self.folder.trials()
        for trial in grid(self.space)[len(known) :]:
            self.folder.add_trial(trial)

    @override
    def runs(self) -> Iterator[Trial | None]:
        return self.open_runs()

    @property
    @override
    def total(self) -> int:
        return len(self.folder.trials())

    @override
    def should_stop(self, trial: Trial, curve: ValidationCurve) -> bool:
        return False


def grid(space: SearchSpace) -> list[Trial]:
    """Every run of a grid, numbered; all runs with the first seed come first.

    Where epochs are an axis and the schedule does not depend on the length of training, one run to the most
    epochs answers for all of them.
    """
    trials = space.baselines()
    for seed in space.seeds:
        for architecture in space.architectures:
            for setting, epochs in _rows(space, architecture):
                number = len(trials) + 1
                trials.append(space.trial(architecture, setting, number=number, seed=seed, epochs=epochs))
    return trials


def _rows(
    space: SearchSpace, architecture: Mapping[str, Any]
) -> Iterator[tuple[dict[str, Any], tuple[int, ...]]]:
    """The settings of an architecture that have a run of their own, with the epochs it answers for."""
    epochs = next((axis.grid() for axis in space.axes if axis.key == EPOCHS), ())
    for setting in combinations([axis for axis in space.axes if axis.key != EPOCHS]):
        if not epochs:
            yield setting, ()
        elif space.shares_epochs(architecture, setting):
            yield setting, tuple(sorted(epochs))
        else:
            yield from (({**setting, EPOCHS: count}, ()) for count in epochs)
