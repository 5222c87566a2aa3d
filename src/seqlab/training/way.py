"""How an experiment is carried out, scored and loaded: what networks and baselines have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from seqlab.data.dataset import Dataset
from seqlab.data.tokenizers.tokenizer import Tokenizer
from seqlab.experiment.experiment_config import AnyExperimentConfig
from seqlab.measure.diagnosis import Diagnosis
from seqlab.measure.item_collector import SplitResult
from seqlab.models.layer_counts import LayerCount
from seqlab.models.model import SequenceModel
from seqlab.runs.run_folder import RunFolder
from seqlab.runs.run_shapes import RunSummary
from seqlab.schema.records import Moment
from seqlab.tasks.task import Task

if TYPE_CHECKING:
    from seqlab.training.loop import RunCallback

Told = Callable[[int, int], None]
"""Called while a split is scored, with the parts done and all."""


class Work(ABC):
    """An experiment with everything built that can be wrong; its folder need not exist yet."""

    outputs: int
    """Classes, or tokens that can be predicted."""
    matmul: str
    """Which implementation multiplies the matrices of the output layer."""

    @abstractmethod
    def carry_out(self, run: RunFolder, listener: RunCallback) -> RunSummary:
        """Fit, or go on; score the validation split, mark the run as finished, return its summary."""


class Scorer(ABC):
    """What a run fitted, ready to be scored on splits of its dataset."""

    config: AnyExperimentConfig
    dataset: Dataset
    task: Task
    seed: int | None
    """Of the run; None where nothing was drawn."""
    moment: Moment
    """Where in training it was kept."""
    budget: Mapping[str, Any]
    """How long it was trained, at the most."""

    @abstractmethod
    def score(self, split: str, metrics: Sequence[str], progress: Told | None = None) -> SplitResult:
        """Records of the metrics over a whole split, every target once, and the score of each item.

        Raises:
            UserError: there is no such split or metric.
        """

    @abstractmethod
    def context(self, split: str) -> str:
        """What each target of a split is predicted from, in words."""

    @abstractmethod
    def diagnose(self, kinds: Sequence[str], split: str, rows: int | None) -> dict[str, Diagnosis]:
        """What diagnostics find on rows of a split; None: as many rows as the settings say.

        Raises:
            UserError: there is no such diagnostic or split, or nothing inside to look at.
        """


class Way(ABC):
    """What differs between kinds of experiments."""

    @abstractmethod
    def prepare(self, dataset: Dataset, place: torch.device, matmul: str | None) -> Work:
        """Build everything that can be wrong.

        Args:
            dataset: what is learned from.
            place: where a model lives.
            matmul: those that an unfinished run began with; None chooses.

        Raises:
            UserError: the parts do not fit each other.
        """

    @abstractmethod
    def scorer(self, run: RunFolder, dataset: Dataset, place: torch.device) -> Scorer:
        """The best that a run has kept.

        Raises:
            UserError: it has kept nothing yet, or something damaged.
        """

    @abstractmethod
    def load(
        self, run: RunFolder, tokenizer: Tokenizer, outputs: int, labels: tuple[str, ...]
    ) -> tuple[SequenceModel, int]:
        """The same as a model, without the data, and the step it was kept at.

        Raises:
            UserError: the run has kept nothing yet, or something damaged.
        """

    @abstractmethod
    def count(self, dataset: Dataset) -> list[LayerCount]:
        """What is fitted on a dataset, part by part."""
