"""The protocol of a task. Legend: B sequences, H features, V outputs, N targets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from jaxtyping import Float, Shaped
from torch import Tensor, nn

from seqlab.data.batches import Batches
from seqlab.data.batching import Batching
from seqlab.data.dataset import Dataset, Split
from seqlab.models.input_spec import InputSpec, Output
from seqlab.nn.matmul import TORCH, Matmul
from seqlab.schema.metric_spec import MetricSpec


class Task(ABC):
    """Turns a dataset into batches with targets, and features into a loss.

    `unit` is what one target is ("token", "text"); `metrics` are keys of `seqlab.measure`. `labels` are the
    names of the outputs, () where they are tokens or a number. `of_characters` says whether tokens are single
    characters. `matmul` multiplies the matrices of a fused loss.
    """

    unit: str
    output: ClassVar[Output]
    metrics: tuple[str, ...]
    monitor: MetricSpec
    labels: tuple[str, ...] = ()
    of_characters: bool = False
    matmul: Matmul = TORCH

    @abstractmethod
    def spec(self, dataset: Dataset) -> InputSpec:
        """What a model for this task may know of the dataset."""

    @abstractmethod
    def batches(self, split: Split, batching: Batching, seed: int | None) -> Batches:
        """The batches of one pass over a split, by index, so that a pass can continue anywhere.

        Args:
            split: the data; every target of it occurs exactly once.
            batching: how sequences are cut and grouped.
            seed: fixes the shuffled order; None keeps the order of the data (evaluation).
        """

    @abstractmethod
    def loss(
        self, head: nn.Module, features: Float[Tensor, "N H"], targets: Shaped[Tensor, " N"]
    ) -> tuple[Float[Tensor, ""], int]:
        """Summed training loss of the targets in nats, and their number; see `Batch.real`."""

    @abstractmethod
    def scores(
        self,
        head: nn.Module,
        features: Float[Tensor, "N H"],
        targets: Shaped[Tensor, " N"],
        *,
        outputs: bool = True,
    ) -> tuple[Float[Tensor, " N"], Float[Tensor, "N V"]]:
        """For evaluation, without a graph: nats of each target, and the outputs of the head.

        Where `outputs` are not needed, they are (N, 0) if the head gives the nats without them.
        """

    @abstractmethod
    def least_loss(self, targets: Sequence[int | float], outputs: int) -> float:
        """Mean training loss, in nats, of the best answer that is the same for all these targets."""


def input_spec(dataset: Dataset, outputs: int, output: Output | None = None) -> InputSpec:
    """What every task tells of a dataset.

    Args:
        dataset: with its vocabulary.
        outputs: size of the output of the head.
        output: what is predicted.
    """
    source = dataset.source_tokenizer
    return InputSpec(
        vocabulary=len(dataset.tokenizer.vocabulary),
        outputs=outputs,
        source_vocabulary=None if source is None else len(source.vocabulary),
        max_length=dataset.limit.max_length,
        padding=dataset.tokenizer.vocabulary.pad,
        output=output,
        numbers=dataset.tokenizer.vocabulary.numbers,
        frequent_first=dataset.tokenizer.frequent_first,
    )
