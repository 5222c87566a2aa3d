"""What a search picks from: the architectures, axes and seeds of a study, and the runs made of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from seqlab.runs.study_records import Trial
from seqlab.schema.metric_spec import MetricSpec
from seqlab.studies.axis import Axis


class SearchSpace(ABC):
    """A study as its search sees it; searches depend on nothing else of a study's design."""

    @property
    @abstractmethod
    def architectures(self) -> Sequence[Mapping[str, Any]]:
        """What is compared: values of the axes that define an architecture."""

    @property
    @abstractmethod
    def axes(self) -> Sequence[Axis]:
        """The other axes: the settings that each architecture is tried with."""

    @property
    @abstractmethod
    def seeds(self) -> Sequence[int]:
        """Seeds of the study, the first one for the search itself."""

    @abstractmethod
    def name(self, architecture: Mapping[str, Any]) -> str:
        """The name of an architecture."""

    @abstractmethod
    def monitor(self, architecture: Mapping[str, Any]) -> MetricSpec:
        """The metric that the runs of an architecture are compared by."""

    @abstractmethod
    def shares_epochs(self, architecture: Mapping[str, Any], setting: Mapping[str, Any]) -> bool:
        """Whether a run to the most epochs passes through the weights of every run with fewer."""

    @abstractmethod
    def baselines(self) -> list[Trial]:
        """The runs of the study's baselines, numbered from 1."""

    @abstractmethod
    def trial(
        self,
        architecture: Mapping[str, Any],
        setting: Mapping[str, Any],
        *,
        number: int,
        seed: int,
        epochs: Sequence[int] = (),
    ) -> Trial:
        """One run; with `epochs`, a run to the most of them that answers for all."""
