"""Base of every search's settings; free of torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from seqlab.runs.study_folder import StudyFolder
from seqlab.runs.study_records import Trial
from seqlab.schema.config import Config
from seqlab.studies.axis import Axis
from seqlab.studies.search_space import SearchSpace
from seqlab.studies.study_plan import StudyPlan


class SearchConfig(Config, ABC):
    """How settings are picked from the axes. A search is one file, with one line in `search_kinds.py`."""

    exhaustive: ClassVar[bool]
    """Whether every combination of values is run to its end with every seed."""

    kind: str
    """Name of the search."""

    @abstractmethod
    def check(self, axes: Sequence[Axis]) -> None:
        """Refuse axes that the search cannot pick values from.

        Raises:
            UserError: an axis does not fit.
        """

    @abstractmethod
    def runs_per_architecture(self, axes: Sequence[Axis], seeds: int) -> int:
        """Number of runs of each architecture, at most: of all its cells where axes are listed."""

    @abstractmethod
    def expected(self, space: SearchSpace) -> list[Trial]:
        """The runs there will be, at most; drawn settings are represented by the middle of their axes."""

    @abstractmethod
    def plan(self, space: SearchSpace, folder: StudyFolder) -> StudyPlan:
        """The order of the runs of a study."""
