"""A metric's name, unit and direction, and how its values are written."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Better = Literal["higher", "lower"]
_MOST_DECIMALS = 6
_SIGNIFICANT = 4
"""Digits of a number that is too small for a fixed number of decimals."""
_SMALL = 10.0 ** (_SIGNIFICANT - 1 - _MOST_DECIMALS)
"""Size below which the most decimals show fewer digits than that."""
LARGE = 1e12
"""Size from which a number is written with an exponent."""


@dataclass(frozen=True, kw_only=True)
class MetricSpec:
    """A metric: its name, its unit as records carry it, and whether higher or lower is better.

    Fractions are written in percent, their differences in points (hundredths).

    >>> accuracy = MetricSpec(name="accuracy", unit="fraction of texts", better="higher")
    >>> accuracy.format(0.8946, 0.01), accuracy.format_difference(0.008, 0.014)
    ('89.5 %', '0.8 points')
    >>> accuracy.format_number(-0.0001, 0.1)
    '0'
    >>> accuracy.improves(0.5, best=None), accuracy.improves(0.5, best=0.5)
    (True, False)
    """

    name: str
    unit: str
    better: Better

    def gain(self, difference: float) -> float:
        """A difference, first minus second, with its sign turned so that above 0 the first one is better."""
        return difference if self.better == "higher" else -difference

    def improves(self, value: float, best: float | None) -> bool:
        """Whether a value is better than the best one so far; None: there is none yet."""
        return best is None or (value > best if self.better == "higher" else value < best)

    @property
    def display_unit(self) -> str:
        """The unit of what `format_number` writes."""
        return "%" if self._scale == 100 else self.unit

    def format_number(self, value: float | None, spread: float) -> str:
        """A value without its unit, with the decimals that show a spread of that size.

        Where the spread is 0, with about four digits. A value that is not a fraction is never rounded to 0.
        """
        if value is None:
            return "censored"
        number = value * self._scale
        digits = decimals(spread * self._scale or abs(number) / 100)
        fixed = round(number, digits)
        lost = (not fixed and self._scale == 1) or (digits == _MOST_DECIMALS and abs(number) < _SMALL)
        if number and (lost or abs(number) >= LARGE):
            return f"{number:.{_SIGNIFICANT}g}"
        # Adding zero makes 0 of -0.
        return f"{fixed + 0.0:.{digits}f}"

    def format(self, value: float | None, spread: float) -> str:
        """A value with its unit."""
        mark = " %" if self._scale == 100 else f" {self.unit}"
        return self.format_number(value, spread) + (mark if value is not None else "")

    def format_difference(self, value: float, spread: float) -> str:
        """A difference with its unit."""
        return f"{self.format_number(value, spread)} {'points' if self._scale == 100 else self.unit}"

    @property
    def _scale(self) -> int:
        return 100 if self.unit.startswith("fraction") else 1


def decimals(spread: float) -> int:
    """Number of decimals that show two digits of a spread; 3 where there is none.

    >>> decimals(14.0), decimals(1.4), decimals(0.014), decimals(0.0)
    (0, 1, 3, 3)
    """
    if not (math.isfinite(spread) and spread > 0):
        return 3
    return max(0, min(_MOST_DECIMALS, 1 - math.floor(math.log10(spread))))
