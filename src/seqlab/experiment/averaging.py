"""Averages of the weights of training, of which each kind says how much a step counts.

Legend of the equations: θ the weights after a step, a their average, t the number of steps including this
one. After a step a = a + c (θ - a), with the share c of the kind. Validations, samples, diagnostics and the
result are those of a; training continues with θ.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from seqlab.schema.config import Config


class Averaging(ABC):
    """From when on weights are averaged, and the share of each step."""

    @property
    @abstractmethod
    def started(self) -> bool:
        """Whether weights are averaged now; before, the weights themselves are the result."""

    @abstractmethod
    def share(self, step: int) -> float:
        """c, the share of the weights after a step in their average.

        Args:
            step: t, counted from 1.
        """


class ByStep(Averaging):
    """Weights are averaged from the first step on, with shares that depend on the step alone.

    Args:
        share: see `Averaging`; None where weights are never averaged.
    """

    def __init__(self, share: Callable[[int], float] | None):
        self._share = share

    @property
    @override
    def started(self) -> bool:
        return self._share is not None

    @override
    def share(self, step: int) -> float:
        assert self._share is not None, "there is an average"
        return self._share(step)


class AveragingConfig(Config, ABC):
    """Settings of an average of the weights. A subclass is registered by one line in `AVERAGINGS`."""

    kind: str
    """Name of the average."""
    copies: ClassVar[int] = 1
    """Numbers kept of each weight; with none, steps may move single rows of a large embedding."""

    @abstractmethod
    def build(self) -> Averaging:
        """The average at the start of training."""


class NoAveragingConfig(AveragingConfig):
    """No average: the weights themselves are validated, and are the result."""

    kind: Literal["none"] = "none"
    """Name of the average."""
    copies: ClassVar[int] = 0

    @override
    def build(self) -> Averaging:
        return ByStep(None)


class EmaConfig(AveragingConfig):
    """Exponential moving average of the weights from the start (after Polyak and Juditsky 1992).

    c = 1 - min(decay, (1 + t) / (10 + t)), from a = θ before the first step: the decay rises, so that the
    weights of the first steps are soon forgotten. This warm-up is that of TensorFlow's
    `ExponentialMovingAverage`, as in EfficientNet (Tan and Le 2019).

    >>> average = EmaConfig(decay=0.99).build()
    >>> [round(1 - average.share(step), 3) for step in (1, 10, 100, 1000)]
    [0.182, 0.55, 0.918, 0.99]
    """

    kind: Literal["ema"] = "ema"
    """Name of the average."""
    decay: float = Field(default=0.999, ge=0.0, lt=1.0)
    """Fraction of the average kept from step to step: it reaches over about 1 / (1 - decay) steps."""

    @override
    def build(self) -> Averaging:
        return ByStep(self._share)

    def _share(self, step: int) -> float:
        return 1.0 - min(self.decay, (1 + step) / (10 + step))
