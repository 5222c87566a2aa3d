"""What is compared: a model and its batches in sizes, from which both sides are built.

Legend: V tokens of the vocabulary, E features of an embedded token, H units, B rows, T tokens a row.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import override

from seqlab.data.batch import Batch
from seqlab.data.dataset import About, Dataset, Limit, Split
from seqlab.data.ragged import Ragged
from seqlab.data.tokenizers.words import WhitespaceConfig
from seqlab.experiment import recipes
from seqlab.experiment.experiment_config import ExperimentConfig
from seqlab.models.model_config import CellName
from seqlab.nn.cells import CELLS

Weights = Mapping[str, Tensor]

SEED = 1
BATCHES = 4
"""Different batches; steps take them in turn."""
WORD_SKEW = 4.5
"""So drawn, 32 x 235 of 73,278 words are some 5,000 different ones. Real reviews repeat themselves more:
as many of their words are 2,100 different ones."""
PRODUCTS = 3
"""Of each weight matrix in a step: one forward, one for its own gradient, one for that of its input."""


class TrainingStep(Protocol):
    """Forward, loss, backward, clipping and update; a language model carries its state from step to step."""

    @property
    def model(self) -> nn.Module:
        """What is trained."""
        ...

    def __call__(self, batch: Batch) -> float:
        """Take the step; returns the loss before it, nats per target."""
        ...


@dataclass(frozen=True, kw_only=True)
class Workload(ABC):
    """One comparison of training steps by SGD.

    name, about: how it is asked for, and what it is.
    against: whose way the other one is.
    goal: how many times as fast as that seqlab wants to be.
    recipe: the shipped recipe whose settings those below replace.
    vocabulary, embedding: V, E. rows, window: B, T of every batch.
    dropout: share dropped wherever the model drops.
    rate, momentum, clip: learning rate, momentum, and largest norm of the whole gradient.
    """

    name: str
    about: str
    against: str
    goal: float
    recipe: str
    vocabulary: int
    embedding: int
    rows: int
    window: int
    dropout: float = 0.0
    rate: float
    momentum: float = 0.0
    clip: float

    labels: ClassVar[tuple[str, ...]] = ()

    @property
    @abstractmethod
    def gflop(self) -> float:
        """Of the matrix products of one step as the equations have them, in 10^9 operations."""

    @abstractmethod
    def theirs(self, weights: Weights) -> TrainingStep:
        """The other way's step, from the first weights of seqlab's model."""

    @abstractmethod
    def split(self) -> Split:
        """The tokens of all batches."""

    @abstractmethod
    def settings(self) -> dict[str, object]:
        """What a recipe calls the sizes that this kind of workload has beside the common ones."""

    def config(self) -> ExperimentConfig:
        """The experiment whose step is seqlab's side."""
        settings = {
            "training.optimizer.kind": "sgd",
            "training.optimizer.learning_rate": self.rate,
            "training.optimizer.momentum": self.momentum,
            "training.clip_norm": self.clip,
            "model.embedding_size": self.embedding,
            "model.dropout": self.dropout,
            **self.settings(),
            "batching.batch_size": self.rows,
        }
        return recipes.network(self.recipe, [f"{key}={value}" for key, value in settings.items()])

    def dataset(self) -> Dataset:
        """Random tokens, the same each time."""
        # The tokenizer adds one token, for unknown words.
        words = " ".join(map(str, range(self.vocabulary - 1)))
        return Dataset(
            name=self.name,
            splits={"train": self.split()},
            tokenizer=WhitespaceConfig().train([words], running=True),
            labels=self.labels,
            limit=Limit(),
            content_hash="",
            about=About("Random tokens.", "drawn", "none needed"),
        )

    def batches(self) -> list[Batch]:
        """The batches both sides are given."""
        config, dataset = self.config(), self.dataset()
        return list(config.task.build(dataset).batches(dataset.splits["train"], config.batching, seed=None))


@dataclass(frozen=True, kw_only=True)
class LanguageModelling(Workload):
    """Each next word of a running text, every word equally likely.

    cell, hidden, layers: of the recurrence. tied: whether the output's weights are the embedding.
    other: builds the other side.
    """

    cell: CellName
    hidden: int
    layers: int
    tied: bool
    other: Callable[[LanguageModelling, Weights], TrainingStep]

    @property
    @override
    def gflop(self) -> float:
        inputs = self.embedding + (self.layers - 1) * self.hidden
        recurrence = CELLS[self.cell].gates * self.hidden * (inputs + self.layers * self.hidden)
        weights = recurrence + self.hidden * self.vocabulary
        return 2e-9 * PRODUCTS * weights * self.rows * self.window

    @override
    def theirs(self, weights: Weights) -> TrainingStep:
        return self.other(self, weights)

    @override
    def split(self) -> Split:
        count = BATCHES * self.rows * self.window
        return Split(Ragged(_tokens(self.vocabulary, count, skew=1.0), np.array([0, count])), running=True)

    @override
    def settings(self) -> dict[str, object]:
        return {
            "model.cell": self.cell,
            "model.hidden_size": self.hidden,
            "model.layers": self.layers,
            "model.tied": self.tied,
            "batching.kind": "stream",
            "batching.sequence_length": self.window,
        }


@dataclass(frozen=True, kw_only=True)
class Classifying(Workload):
    """One of two labels for each text; texts of equal length, some words far likelier than others.

    hidden: units of the LSTM, 0 where there is none. linear: features of the layer before pooling.
    other: builds the other side.
    """

    hidden: int
    linear: int
    other: Callable[[Classifying, Weights], TrainingStep]

    labels: ClassVar[tuple[str, ...]] = ("negative", "positive")

    @property
    @override
    def gflop(self) -> float:
        recurrence = CELLS["lstm"].gates * self.hidden * (self.embedding + self.hidden)
        token = recurrence + (self.hidden or self.embedding) * self.linear
        text = self.linear * len(self.labels)
        return 2e-9 * PRODUCTS * self.rows * (self.window * token + text)

    @override
    def theirs(self, weights: Weights) -> TrainingStep:
        return self.other(self, weights)

    @override
    def split(self) -> Split:
        texts = BATCHES * self.rows
        tokens = _tokens(self.vocabulary, texts * self.window, skew=WORD_SKEW)
        labels = np.random.default_rng(SEED).integers(len(self.labels), size=texts)
        return Split(Ragged(tokens, np.arange(texts + 1) * self.window), targets=labels)

    @override
    def settings(self) -> dict[str, object]:
        recurrence = {"model.hidden_size": self.hidden} if self.hidden else {}
        return {"model.linear_size": self.linear, **recurrence}


def _tokens(vocabulary: int, count: int, *, skew: float) -> NDArray[np.int32]:
    """Ids floor(V u^skew) of even u in [0, 1): 1 draws all alike, more draws small ids more often."""
    even = np.random.default_rng(SEED).random(count)
    return (vocabulary * even**skew).astype(np.int32)
