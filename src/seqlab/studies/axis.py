"""One axis of a study: the values a setting may take, and how a search draws from them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from typing_extensions import override

from seqlab.schema.errors import UserError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

DIGITS, MOST_DIGITS = 4, 17
"""Significant digits of a drawn number: as many as a person would type, or more where a range is so narrow
that it has few numbers of that length; a float has no more than the latter."""
_STEPS = 100
"""Numbers of so many digits that a range has at least."""


@dataclass(frozen=True)
class Axis(ABC):
    """A setting that varies. key: its full key, as in `training.epochs`."""

    key: str

    @property
    @abstractmethod
    def size(self) -> float:
        """Number of values; infinite where it is not known."""

    @property
    @abstractmethod
    def examples(self) -> tuple[Any, ...]:
        """Values that represent the axis: every listed value, or both ends of a range."""

    @property
    def middle(self) -> Any:
        """The example to forecast the cost of a drawn setting with."""
        return self.examples[len(self.examples) // 2]

    @abstractmethod
    def grid(self) -> tuple[Any, ...]:
        """Every value, in order.

        Raises:
            UserError: the values are not listed.
        """

    @abstractmethod
    def draw(self, random: np.random.Generator) -> Any:
        """A random value."""

    @abstractmethod
    def distribution(self) -> BaseDistribution:
        """What Optuna draws from."""

    @abstractmethod
    def encode(self, value: Any) -> Any:
        """A value as a member of the distribution."""

    @abstractmethod
    def decode(self, drawn: Any) -> Any:
        """The value for a member of the distribution."""


@dataclass(frozen=True)
class Choices(Axis):
    """An axis of listed values."""

    values: tuple[Any, ...]

    @property
    @override
    def size(self) -> float:
        return len(self.values)

    @property
    @override
    def examples(self) -> tuple[Any, ...]:
        return self.values

    @override
    def grid(self) -> tuple[Any, ...]:
        return self.values

    @override
    def draw(self, random: np.random.Generator) -> Any:
        return self.values[int(random.integers(len(self.values)))]

    @override
    def distribution(self) -> BaseDistribution:
        from optuna.distributions import CategoricalDistribution

        # Indices, because Optuna takes no tables as categories.
        return CategoricalDistribution(range(len(self.values)))

    @override
    def encode(self, value: Any) -> Any:
        return self.values.index(value)

    @override
    def decode(self, drawn: Any) -> Any:
        return self.values[drawn]


@dataclass(frozen=True)
class Range(Axis):
    """An axis of all numbers from `low` to `high`, both included; integers where both are.

    log: whether equal ratios, rather than equal differences, are equally likely.
    """

    low: int | float
    high: int | float
    log: bool

    @property
    def _integer(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    @override
    def size(self) -> float:
        # Infinite also for integers: their number depends on rounding, and a search stops by itself.
        return math.inf

    @property
    @override
    def examples(self) -> tuple[Any, ...]:
        return (self.low, self.high)

    @override
    def grid(self) -> tuple[Any, ...]:
        raise UserError(
            f'Axis {self.key!r} must list its values in a grid. Got a range. Nearest: search.kind = "random".'
        )

    @override
    def draw(self, random: np.random.Generator) -> Any:
        if self._integer and not self.log:
            return int(random.integers(int(self.low), int(self.high), endpoint=True))
        if self.log:
            # Not math.exp and math.log: they differ from numpy's in the last bit, and so would runs.
            drawn = np.exp(random.uniform(np.log(self.low), np.log(self.high)))
            return self.decode(float(drawn))
        return self.decode(random.uniform(self.low, self.high))

    @override
    def distribution(self) -> BaseDistribution:
        from optuna.distributions import FloatDistribution, IntDistribution

        if self._integer:
            return IntDistribution(int(self.low), int(self.high), log=self.log)
        return FloatDistribution(self.low, self.high, log=self.log)

    @override
    def encode(self, value: Any) -> Any:
        return value

    @override
    def decode(self, drawn: Any) -> Any:
        rounded = round(drawn) if self._integer else float(f"{drawn:.{self._digits}g}")
        # Rounding, and the logarithm, may leave the range.
        inside = min(self.high, max(self.low, rounded))
        return inside if self._integer else float(inside)

    @property
    def _digits(self) -> int:
        """Significant digits of a drawn number."""
        if self.log:
            # Where a step is relative to the number.
            size, width = 1.0, math.log(self.high) - math.log(self.low)
        else:
            size, width = max(abs(self.low), abs(self.high)), self.high - self.low
        if not width:
            return MOST_DIGITS
        needed = 1 + math.floor(math.log10(size)) + math.ceil(math.log10(_STEPS) - math.log10(width))
        return min(MOST_DIGITS, max(DIGITS, needed))
