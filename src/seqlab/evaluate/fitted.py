"""What a run has fitted, with its data: scored and diagnosed, whatever kind of model it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch

from seqlab.data.dataset import Dataset, Split
from seqlab.data.tokenizers.tokenizer import Tokenizer
from seqlab.evaluate.adaptation import AdaptationConfig
from seqlab.evaluate.fitted_kinds import LOADERS
from seqlab.experiment.experiment_config import AnyExperimentConfig
from seqlab.measure.diagnosis import Diagnosis
from seqlab.measure.item_collector import SplitResult
from seqlab.measure.metric import Scored
from seqlab.models.input_spec import InputSpec
from seqlab.models.model import SequenceModel
from seqlab.runs.cards import POSITION_LOSS, AdaptationEntry
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.errors import unknown
from seqlab.schema.records import Moment
from seqlab.tasks.task import Task

ScoringProgress = Callable[[int, int], None]
"""Called while a split is scored, with the number of parts done and of all."""


class Fitted(ABC):
    """What a run fitted, ready to be scored on splits of its dataset.

    seed: of the run; None where nothing was drawn. moment: when in training it was kept. budget: how long it
    was trained, at most, or what it is made of. members: what it combines; () where it is a model.
    adaptation: how it adapts to the text that it is scored on; None: not at all.
    """

    config: AnyExperimentConfig
    dataset: Dataset
    task: Task
    seed: int | None
    moment: Moment
    budget: Mapping[str, Any]
    members: Sequence[Fitted] = ()
    adaptation: AdaptationEntry | None = None

    @property
    def shows_texts(self) -> bool:
        """Whether texts of the data may be kept in the run folder."""
        return self.config.shows_texts and all(member.shows_texts for member in self.members)

    @abstractmethod
    def score(
        self,
        split: str,
        metrics: Sequence[str],
        progress: ScoringProgress | None = None,
        *,
        outputs: bool = False,
    ) -> SplitResult:
        """Records of the metrics over a whole split, every target once, and the score of each item.

        With `outputs` also those of the head for each text, where texts have one target each.

        Raises:
            UserError: there is no such split or metric.
        """

    @abstractmethod
    def token_scores(
        self, split: str, *, outputs: bool, progress: ScoringProgress | None = None
    ) -> Iterator[Scored]:
        """The tokens of a running text, each once and in order, some at a time.

        Several of these may be iterated side by side, within one block of `torch.no_grad`.

        Args:
            split: its name.
            outputs: whether the probabilities of all tokens are needed.
            progress: called with the number of parts done and of all.

        Raises:
            UserError: there is no such split.
        """

    @property
    @abstractmethod
    def has_positions(self) -> bool:
        """Whether targets have positions in texts, or in windows of one length."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """What is measured unless metrics are named: those of the task, and the loss at each position."""
        of_positions = [POSITION_LOSS] if self.has_positions and self.task.output == "text" else []
        return tuple(dict.fromkeys([*self.task.metrics, *of_positions]))

    @abstractmethod
    def context(self, split: str) -> str:
        """What each target of a split is predicted from, in words."""

    @abstractmethod
    def diagnose(self, kinds: Sequence[str], split: str, rows: int | None) -> dict[str, Diagnosis]:
        """What diagnostics find on sequences of a split; None: as many as the settings say.

        Raises:
            UserError: there is no such diagnostic or split, or the model has no layers to inspect.
        """

    @abstractmethod
    def adapted(
        self, config: AdaptationConfig, *, tune: bool, progress: ScoringProgress | None = None
    ) -> Fitted:
        """The same, adapting to the text that it is scored on.

        Args:
            config: how.
            tune: whether the settings are where a search on the validation split begins.
            progress: called while the search scores.

        Raises:
            UserError: it is not a network that models running text, or there is nothing to search on.
        """


class Loader(ABC):
    """Reads back what one kind of experiment has kept in its run folder."""

    @abstractmethod
    def fitted(self, run: RunFolder, dataset: Dataset, device: torch.device) -> Fitted:
        """The best that a run has kept, with its data.

        Raises:
            UserError: it has kept nothing yet, or something damaged.
        """

    @abstractmethod
    def model(
        self,
        run: RunFolder,
        spec: InputSpec,
        tokenizer: Tokenizer,
        labels: tuple[str, ...],
    ) -> tuple[SequenceModel, int]:
        """The same as a model in evaluation mode, without the data, and the step it was kept at.

        Raises:
            UserError: the run has kept nothing yet, or something damaged.
        """


def loader(config: AnyExperimentConfig) -> Loader:
    """What reads back the runs of these settings."""
    return LOADERS[config.method](config)


def split_of(dataset: Dataset, name: str) -> Split:
    """A split by its name.

    Raises:
        UserError: there is none of this name.
    """
    if name not in dataset.splits:
        raise unknown("split", name, dataset.splits)
    return dataset.splits[name]
