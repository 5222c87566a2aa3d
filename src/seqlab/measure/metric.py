"""The protocol of a metric. Legend: N targets, V outputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seqlab.models.input_spec import Output
from seqlab.schema.errors import UserError
from seqlab.schema.records import Record

CLOSE = 0.04
"""How far off a predicted number may be to count as right (Hochreiter and Schmidhuber 1997, experiment 4)."""


Reads = Literal["nats", "outputs", "texts"]


@dataclass(frozen=True)
class Scored:
    """Some of the targets that count; padding and mere context are gone already.

    nats: -log of the probability the model gave each target, of a number its density.
    logits: of every output; (N, 0) where no metric reads them; of a number what was predicted, (N, 1).
    positions: index of each target in its window or sequence, from 0; 0 for a whole text.
    lengths: tokens of the sequence of each target; None where no metric that reads them was asked for.
    """

    nats: Float[Tensor, " N"]
    logits: Float[Tensor, "N V"]
    targets: Int[Tensor, " N"] | Float[Tensor, " N"]
    positions: Int[Tensor, " N"]
    lengths: Int[Tensor, " N"] | None = None

    @property
    def errors(self) -> Float[Tensor, " N"]:
        """How far predicted numbers are off, target minus prediction, in float64."""
        return self.targets.double() - self.logits[:, 0].double()

    @property
    def right(self) -> Bool[Tensor, " N"]:
        """Which targets have the largest logit, among equal ones the first; without logits none.

        Of numbers: which ones are off by less than `CLOSE`.
        """
        if not self.logits.shape[-1]:
            return torch.zeros_like(self.targets, dtype=torch.bool)
        if self.targets.is_floating_point():
            return self.errors.abs() < CLOSE
        return self.logits.argmax(dim=-1) == self.targets


class Metric(ABC):
    """What is counted over a split. Subclass `TargetMetric` or `TextMetric`, which say what they are given.

    `unit` is what one target is: "token" or "text". `labels` are the names of the outputs, () where they
    have none.
    """

    reads: ClassVar[Reads]
    """What it reads: nats of the targets alone, all outputs of the head, or decoded texts."""
    outputs: ClassVar[tuple[Output, ...]] = ("class", "text", "translation")
    """What a task must predict for the metric to be defined."""
    most_outputs: ClassVar[int | None] = None
    """Outputs of the head, at most; None: any number."""
    distinct_targets: ClassVar[int] = 1
    """Different targets that a split must have."""
    of_characters: ClassVar[bool] = False
    """Whether it is of models alone whose tokens are characters."""
    by_position: ClassVar[bool] = False
    """Whether it counts positions, so that a running text must be scored in windows of one length."""

    def __init__(self, unit: str, labels: tuple[str, ...] = ()):
        self.unit, self.labels = unit, labels

    @classmethod
    def check(cls, output: Output, outputs: int) -> None:
        """Check the metric before anything is scored; one that is registered has its tests.

        Args:
            output: what the task predicts.
            outputs: of the head, see `InputSpec`.

        Raises:
            UserError: it fails, asks for what the task does not give, or depends on how targets are grouped.
        """
        return

    @abstractmethod
    def records(self, split: str) -> list[Record]:
        """The results for the split with this name.

        Raises:
            UserError: nothing was counted.
        """


class TargetMetric(Metric, ABC):
    """Sums over the targets of a split, in float64, whatever pieces they come in."""

    reads: ClassVar[Reads] = "outputs"

    @abstractmethod
    def update(self, scored: Scored) -> None:
        """Count some targets."""


class TextMetric(Metric, ABC):
    """A metric of texts that a model writes; only where one is asked for is a split decoded."""

    reads: ClassVar[Reads] = "texts"
    outputs: ClassVar[tuple[Output, ...]] = ("translation",)

    @abstractmethod
    def update(self, hypotheses: Sequence[str], references: Sequence[str]) -> None:
        """Count some texts, each with the text it should be."""


class Mean:
    """A running mean in float64."""

    def __init__(self) -> None:
        self.total, self.count = 0.0, 0

    def add(self, values: Float[Tensor, " N"]) -> None:
        """Count each value once."""
        self.total += values.double().sum().item()
        self.count += len(values)

    def value(self, split: str) -> float:
        """The mean of all that was counted.

        Raises:
            UserError: nothing was.
        """
        if self.count == 0:
            raise nothing_scored(split)
        return self.total / self.count


def nothing_scored(split: str) -> UserError:
    """The error of an evaluation without a single target."""
    return UserError(f"An evaluation must score at least 1 target. Got 0 in split {split!r}.")
