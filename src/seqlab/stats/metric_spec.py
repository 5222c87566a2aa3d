"""What is compared, in which unit, and how its values are said."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Better = Literal["higher", "lower"]
_MOST_DECIMALS = 6


@dataclass(frozen=True, kw_only=True)
class MetricSpec:
    """A metric: its name, its unit as records carry it, and whether more or less of it is better.

    Fractions are said in percent, their differences in points (hundredths).

    >>> accuracy = Quantity(name="accuracy", unit="fraction of texts", better="higher")
    >>> accuracy.say(0.8946, 0.01), accuracy.say_difference(0.008, 0.014)
    ('89.5 %', '0.8 points')
    >>> accuracy.number(-0.0001, 0.1)
    '0'
    """

    name: str
    unit: str
    better: Better

    def gain(self, difference: float) -> float:
        """A difference, first minus second, turned so that above 0 the first one is better."""
        return difference if self.better == "higher" else -difference

    @property
    def shown_in(self) -> str:
        """The unit of what `number` says."""
        return "%" if self._scale == 100 else self.unit

    def number(self, value: float | None, spread: float) -> str:
        """A value without its unit, with the decimals that a spread of that size calls for.

        Where nothing is spread (0), with about four digits.
        """
        if value is None:
            return "censored"
        places = decimals((spread or abs(value) / 100) * self._scale)
        # The zero added makes 0 of -0.
        return f"{round(value * self._scale, places) + 0.0:.{places}f}"

    def say(self, value: float | None, spread: float) -> str:
        """A value with its unit."""
        mark = " %" if self._scale == 100 else f" {self.unit}"
        return self.number(value, spread) + (mark if value is not None else "")

    def say_difference(self, value: float, spread: float) -> str:
        """A difference with its unit."""
        return f"{self.number(value, spread)} {'points' if self._scale == 100 else self.unit}"

    @property
    def _scale(self) -> int:
        return 100 if self.unit.startswith("fraction") else 1


def decimals(spread: float) -> int:
    """Decimals that show two digits of a spread; 3 where there is none.

    >>> decimals(14.0), decimals(1.4), decimals(0.014), decimals(0.0)
    (0, 1, 3, 3)
    """
    if not (math.isfinite(spread) and spread > 0):
        return 3
    return max(0, min(_MOST_DECIMALS, 1 - math.floor(math.log10(spread))))


def counted(count: int, word: str) -> str:
    """A number of things.

    >>> counted(1, "seed"), counted(5000, "text")
    ('1 seed', '5,000 texts')
    """
    return f"{count:,} {word}{'s' * (count != 1)}"


def percent(share: float) -> str:
    """A fraction such as a level in percent, without needless digits.

    >>> percent(0.95), percent(0.9375)
    ('95 %', '93.8 %')
    """
    return f"{100 * share:.3g} %"


def format_p(p: float, adjusted: float | None = None) -> str:
    """A p-value with two digits, below a thousandth said to be so, and what Holm's correction made of it.

    >>> said_p(0.03125), said_p(2e-5, 0.0625)
    ('p = 0.031', 'p < 0.001, 0.062 after Holm')
    """
    words = "p < 0.001" if p < 0.001 else f"p = {p:.2g}"
    return words if adjusted is None else f"{words}, {adjusted:.2g} after Holm"
