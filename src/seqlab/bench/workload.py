"""Workloads: sizes of a model and its batches, from which both sides of a comparison are built.

Legend: V vocabulary, E features of an embedded token, H units, B batch, T tokens per sequence.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import override

from seqlab.data.batch import Batch
from seqlab.data.dataset import About, Dataset, Limit, Split
from seqlab.data.ragged import Ragged
from seqlab.data.tokenizers.whitespace import WhitespaceConfig
from seqlab.experiment import recipes
from seqlab.experiment.experiment_config import ExperimentConfig
from seqlab.models.model_config import CellName
from seqlab.nn.cells import CELLS

Weights = Mapping[str, Tensor]

SEED = 1
BATCHES = 4
"""Number of different batches; steps take them in turn."""
WORD_SKEW = 4.5
"""With this skew, 32 x 235 of 73,278 words are about 5,000 different ones. Real reviews repeat words more
often: the same number of their words are 2,100 different ones."""
MATMULS = 3
"""Matrix products of each weight in a step: forward, its own gradient, the gradient of its input."""


class TrainingStep(Protocol):
    """Forward, loss, backward, clipping and update; a language model carries its state from step to step."""

    @property
    def model(self) -> nn.Module:
        """The trained model."""
        ...

    def __call__(self, batch: Batch) -> float:
        """Take the step; returns the loss before it, in nats per target."""
        ...


@dataclass(frozen=True, kw_only=True)
class Workload(ABC):
    """One comparison of training steps.

    name, about: its name, and a description. against: the reference that seqlab is compared with.
    goal: ratio of the reference's time to seqlab's that seqlab aims at.
    recipe: the shipped recipe; the settings below override its own.
    vocabulary: V. batch_size, sequence_length: B, T of every batch.
    dropout: share dropped, wherever the model has dropout.
    optimizer: its kind. learning_rate, momentum: of it; Adam has no momentum.
    clip_norm: the largest norm of the whole gradient.
    reference: builds the reference's step from a workload of its kind.
    """

    name: str
    about: str
    against: str
    goal: float
    recipe: str
    vocabulary: int
    batch_size: int
    sequence_length: int
    dropout: float = 0.0
    optimizer: Literal["sgd", "adam"] = "sgd"
    learning_rate: float
    momentum: float = 0.0
    clip_norm: float
    reference: Callable[[Any, Weights], TrainingStep]

    labels: ClassVar[tuple[str, ...]] = ()

    @property
    @abstractmethod
    def gflop(self) -> float:
        """Operations of the matrix products of one step, by its equations, in 10^9."""

    def reference_step(self, weights: Weights) -> TrainingStep:
        """The training step of the reference, with the initial weights of seqlab's model."""
        return self.reference(self, weights)

    @abstractmethod
    def split(self) -> Split:
        """The tokens of all batches."""

    @abstractmethod
    def settings(self) -> dict[str, object]:
        """Settings of a recipe for the sizes that only this kind of workload has."""

    def config(self) -> ExperimentConfig:
        """The experiment of seqlab's side."""
        settings = {
            "training.optimizer.kind": self.optimizer,
            "training.optimizer.learning_rate": self.learning_rate,
            **({"training.optimizer.momentum": self.momentum} if self.optimizer == "sgd" else {}),
            "training.clip_norm": self.clip_norm,
            "model.dropout": self.dropout,
            **self.settings(),
            "batching.batch_size": self.batch_size,
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
            # Neither cached nor part of a run folder, so nothing asks for the hash.
            content_hash="",
            about=About("Random tokens.", "drawn", "none needed"),
        )

    def batches(self) -> list[Batch]:
        """The batches of both sides."""
        config, dataset = self.config(), self.dataset()
        return list(config.task.build(dataset).batches(dataset.splits["train"], config.batching, seed=None))


@dataclass(frozen=True, kw_only=True)
class LanguageModelling(Workload, ABC):
    """Predict each next word of a running text, in which all words are equally likely.

    hidden, layers: of the network.
    """

    hidden: int
    layers: int

    @property
    @abstractmethod
    def layer_weights(self) -> int:
        """Weights of all layers between embedding and output that multiply a token."""

    @property
    @override
    def gflop(self) -> float:
        weights = self.layer_weights + self.hidden * self.vocabulary
        return 2e-9 * MATMULS * weights * self.batch_size * self.sequence_length

    @override
    def split(self) -> Split:
        count = BATCHES * self.batch_size * self.sequence_length
        tokens = Ragged(_tokens(self.vocabulary, count, skew=1.0), np.array([0, count]))
        return Split(tokens, running=True)

    @override
    def settings(self) -> dict[str, object]:
        return {
            "model.hidden_size": self.hidden,
            "model.layers": self.layers,
            "batching.kind": "stream",
            "batching.sequence_length": self.sequence_length,
        }


@dataclass(frozen=True, kw_only=True)
class RecurrentModelling(LanguageModelling):
    """By recurrent layers.

    embedding: E. cell: of the recurrence. tied: whether the output's weights are the embedding.
    """

    embedding: int
    cell: CellName
    tied: bool

    @property
    @override
    def layer_weights(self) -> int:
        inputs = self.embedding + (self.layers - 1) * self.hidden
        return CELLS[self.cell].gates * self.hidden * (inputs + self.layers * self.hidden)

    @override
    def settings(self) -> dict[str, object]:
        return {
            **super().settings(),
            "model.cell": self.cell,
            "model.embedding_size": self.embedding,
            "model.tied": self.tied,
        }


@dataclass(frozen=True, kw_only=True)
class Attending(LanguageModelling):
    """By Transformer layers, with dropout of attention weights, too.

    heads: of a layer. feed_forward: features inside its feed-forward part.
    """

    heads: int
    feed_forward: int

    @property
    @override
    def layer_weights(self) -> int:
        return self.layers * self.hidden * (4 * self.hidden + 2 * self.feed_forward)

    @override
    def settings(self) -> dict[str, object]:
        return {
            **super().settings(),
            "model.heads": self.heads,
            "model.feed_forward_size": self.feed_forward,
            "model.attention_dropout": self.dropout,
        }


@dataclass(frozen=True, kw_only=True)
class Labelling(Workload, ABC):
    """Predict one of two labels for each text; texts of equal length, some words far likelier than others.

    embedding: E.
    """

    embedding: int

    labels: ClassVar[tuple[str, ...]] = ("negative", "positive")

    @override
    def split(self) -> Split:
        texts = BATCHES * self.batch_size
        tokens = _tokens(self.vocabulary, texts * self.sequence_length, skew=WORD_SKEW)
        labels = np.random.default_rng(SEED).integers(len(self.labels), size=texts)
        return Split(Ragged(tokens, np.arange(texts + 1) * self.sequence_length), targets=labels)

    @override
    def settings(self) -> dict[str, object]:
        return {"model.embedding_size": self.embedding}


@dataclass(frozen=True, kw_only=True)
class Classifying(Labelling):
    """By an LSTM and a linear layer, and their maximum over time.

    hidden: units of the LSTM, 0 where there is none. linear: features of the layer before pooling.
    """

    hidden: int
    linear: int

    @property
    @override
    def gflop(self) -> float:
        recurrence = CELLS["lstm"].gates * self.hidden * (self.embedding + self.hidden)
        token = recurrence + (self.hidden or self.embedding) * self.linear
        text = self.linear * len(self.labels)
        return 2e-9 * MATMULS * self.batch_size * (self.sequence_length * token + text)

    @override
    def settings(self) -> dict[str, object]:
        recurrence = {"model.hidden_size": self.hidden} if self.hidden else {}
        return {**super().settings(), "model.linear_size": self.linear, **recurrence}


@dataclass(frozen=True, kw_only=True)
class Convolving(Labelling):
    """By convolutions of several widths side by side, and their maximum over time.

    filters: of each width. widths: of the convolutions.
    """

    filters: int
    widths: tuple[int, ...]

    @property
    @override
    def gflop(self) -> float:
        token = self.embedding * self.filters * sum(self.widths)
        text = self.filters * len(self.widths) * len(self.labels)
        return 2e-9 * MATMULS * self.batch_size * (self.sequence_length * token + text)

    @override
    def settings(self) -> dict[str, object]:
        sizes = f"filters = {self.filters}, widths = {list(self.widths)}"
        dropout = f'{{kind = "dropout", rate = {self.dropout}}}'
        layers = f'[{dropout}, {{kind = "convolution", {sizes}}}]'
        return {**super().settings(), "model.layers": layers}


@dataclass(frozen=True, kw_only=True)
class Flattening(Labelling):
    """By a dense layer over all embedded tokens of a window that is longer than the texts.

    window: tokens. dense: features.
    """

    window: int
    dense: int

    @property
    @override
    def gflop(self) -> float:
        text = self.window * self.embedding * self.dense + self.dense * len(self.labels)
        return 2e-9 * MATMULS * self.batch_size * text

    @override
    def settings(self) -> dict[str, object]:
        return {
            **super().settings(),
            "data.max_length": self.window,
            "model.window": self.window,
            "model.dense_sizes": self.dense,
            "model.one_logit": False,
        }


def _tokens(vocabulary: int, count: int, *, skew: float) -> NDArray[np.int32]:
    """Ids floor(V u^skew), u uniform in [0, 1): equally likely at skew 1, small ids likelier above it."""
    uniform = np.random.default_rng(SEED).random(count)
    return (vocabulary * uniform**skew).astype(np.int32)
