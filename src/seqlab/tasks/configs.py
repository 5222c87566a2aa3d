"""Settings of the tasks; free of torch until `build` is called."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from seqlab.data.dataset import Dataset
from seqlab.schema.config import Config
from seqlab.schema.errors import UserError

if TYPE_CHECKING:
    from seqlab.tasks.task import Task


class TaskConfig(Config, ABC):
    """Settings of a task."""

    kind: str
    """Name of the task."""

    @abstractmethod
    def build(self, dataset: Dataset) -> Task:
        """The task on this dataset.

        Raises:
            UserError: the dataset does not have what the task needs (labels, a start token).
        """


class ClassifyConfig(TaskConfig):
    """Predict the label of a whole sequence; loss is cross-entropy in nats per sequence."""

    kind: Literal["classify"] = "classify"
    """Name of the task."""
    label_smoothing: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of the target's probability spread evenly over all classes, in training only."""

    def build(self, dataset: Dataset) -> Task:
        """The task on this dataset; see `TaskConfig.build`."""
        from seqlab.tasks.classify import Classify

        if len(dataset.labels) < 2:
            raise UserError(
                f"Task 'classify' needs a dataset with at least 2 labels. "
                f"Got {dataset.name!r} with {len(dataset.labels)}. Nearest: task.kind='language-model'."
            )
        return Classify(self.label_smoothing)


class LanguageModelConfig(TaskConfig):
    """Predict each next token; loss is cross-entropy in nats per token.

    A sequence `a b` is read as `.start a b` and scored on `a b .end`. A running text is scored on
    every token; the first one is predicted from the start token (in the Penn Treebank `<eos>`).
    """

    kind: Literal["language-model"] = "language-model"
    """Name of the task."""
    label_smoothing: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of the target's probability spread evenly over the vocabulary, in training only."""

    def build(self, dataset: Dataset) -> Task:
        """The task on this dataset; see `TaskConfig.build`."""
        from seqlab.tasks.language_model import LanguageModel

        vocabulary = dataset.tokenizer.vocabulary
        if vocabulary.start is None:
            raise UserError(
                f"Task 'language-model' needs a dataset with a start token. Got {dataset.name!r}."
            )
        return LanguageModel(vocabulary.start, vocabulary.end, dataset.name, self.label_smoothing)
