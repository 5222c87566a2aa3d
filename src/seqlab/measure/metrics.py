"""Metrics that are one number."""

from __future__ import annotations

import math
import sys
from abc import ABC
from typing import ClassVar

from seqlab.measure.metric import Mean, Reads, Scored, TargetMetric
from seqlab.models.input_spec import Output
from seqlab.schema.records import Record, Scalar

LARGEST_EXPONENT = math.log(sys.float_info.max)
"""exp of more nats than this is no float."""


class MeanNats(TargetMetric, ABC):
    """What comes of the mean cross-entropy alone; subclasses say how it is shown."""

    reads: ClassVar[Reads] = "nats"

    def __init__(self, unit: str, labels: tuple[str, ...] = ()):
        super().__init__(unit, labels)
        self._nats = Mean()

    def update(self, scored: Scored) -> None:
        """Count some targets."""
        self._nats.add(scored.nats)


class Loss(MeanNats):
    """Mean cross-entropy: sum of -ln p(target) over the number of targets, in nats."""

    outputs: ClassVar[tuple[Output, ...]] = ("class", "number", "text", "translation")

    def records(self, split: str) -> list[Record]:
        """One scalar, `loss`; see `Metric.records`."""
        value = self._nats.value(split)
        return [Scalar(name="loss", value=value, unit=f"nats per {self.unit}", split=split)]


class BitsPerToken(MeanNats):
    """Mean cross-entropy in bits: nats divided by ln 2."""

    outputs: ClassVar[tuple[Output, ...]] = ("text", "translation")

    def records(self, split: str) -> list[Record]:
        """One scalar, `bits_per_token`; see `Metric.records`."""
        value = self._nats.value(split) / math.log(2)
        return [Scalar(name="bits_per_token", value=value, unit=f"bits per {self.unit}", split=split)]


class BitsPerCharacter(MeanNats):
    """Mean cross-entropy in bits of a model whose tokens are characters; a line end is one of them."""

    outputs: ClassVar[tuple[Output, ...]] = ("text",)
    of_characters: ClassVar[bool] = True

    def records(self, split: str) -> list[Record]:
        """One scalar, `bits_per_character`; see `Metric.records`."""
        value = self._nats.value(split) / math.log(2)
        return [Scalar(name="bits_per_character", value=value, unit="bits per character", split=split)]


class Perplexity(MeanNats):
    """exp of the mean cross-entropy in nats; where that is no float, the largest float."""

    def records(self, split: str) -> list[Record]:
        """One scalar, `perplexity`; see `Metric.records`."""
        value = math.exp(min(self._nats.value(split), LARGEST_EXPONENT))
        return [Scalar(name="perplexity", value=value, unit=f"choices per {self.unit}", split=split)]


class Accuracy(TargetMetric):
    """Share of the targets that are right; see `Scored.right`."""

    outputs: ClassVar[tuple[Output, ...]] = ("class", "number", "text", "translation")

    def __init__(self, unit: str, labels: tuple[str, ...] = ()):
        super().__init__(unit, labels)
        self._right = Mean()

    def update(self, scored: Scored) -> None:
        """Count some targets."""
        self._right.add(scored.right)

    def records(self, split: str) -> list[Record]:
        """One scalar, `accuracy`; see `Metric.records`."""
        value = self._right.value(split)
        return [Scalar(name="accuracy", value=value, unit=f"fraction of {self.unit}s", split=split)]


class MeanSquaredError(TargetMetric):
    """Mean of (target - prediction)^2."""

    outputs: ClassVar[tuple[Output, ...]] = ("number",)

    def __init__(self, unit: str, labels: tuple[str, ...] = ()):
        super().__init__(unit, labels)
        self._squares = Mean()

    def update(self, scored: Scored) -> None:
        """Count some targets."""
        self._squares.add(scored.errors.square())

    def records(self, split: str) -> list[Record]:
        """One scalar, `mse`; see `Metric.records`."""
        return [Scalar(name="mse", value=self._squares.value(split), unit="squared error", split=split)]
