"""The protocol of a task. Legend: B rows, T steps, H features, V outputs, N targets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from jaxtyping import Bool, Float, Shaped
from torch import Tensor, nn

from seqlab.data.batch import Batch
from seqlab.data.batching import Batching
from seqlab.data.dataset import Dataset, Split
from seqlab.nn.matmul import TORCH, Matmul
from seqlab.schema.metric_spec import MetricSpec


class Task(ABC):
    """Turns a dataset into batches with targets, and features into a loss.

    `unit` names what one target is ("token", "text"); `metrics` are keys of `seqlab.measure`, and `monitor`
    is the one of them that picks the best checkpoint. `labels`
    are the names of the outputs, () where they are tokens or a number. `matmul` multiply the matrices of a
    fused loss.
    """

    unit: str
    metrics: tuple[str, ...]
    monitor: MetricSpec
    labels: tuple[str, ...] = ()
    matmul: Matmul = TORCH

    @abstractmethod
    def outputs(self, dataset: Dataset) -> int:
        """Size of the head's output: classes, tokens that can be predicted, or 1 number."""

    @abstractmethod
    def batches(self, split: Split, batching: Batching, seed: int | None) -> Sequence[Batch]:
        """The batches of one pass over a split, by position, so that a pass can go on anywhere.

        Args:
            split: the data; every target of it occurs exactly once.
            batching: how rows are cut and grouped.
            seed: fixes the shuffled order; None keeps the data's order (evaluation).
        """

    @abstractmethod
    def loss(
        self,
        head: nn.Module,
        features: Float[Tensor, "*N H"],
        targets: Shaped[Tensor, "*N"],
        mask: Bool[Tensor, "*N"],
    ) -> tuple[Float[Tensor, ""], int]:
        """Summed training loss in nats over the targets the mask keeps, and their number."""

    @abstractmethod
    def scores(
        self, head: nn.Module, features: Float[Tensor, "*N H"], targets: Shaped[Tensor, "*N"]
    ) -> tuple[Float[Tensor, "*N"], Float[Tensor, "*N V"]]:
        """For evaluation, without a graph: nats of each target, and the head's outputs."""

    @abstractmethod
    def least_loss(self, targets: Sequence[int | float], outputs: int) -> float:
        """Mean training loss, in nats, of the best answer that is the same for all these targets."""
