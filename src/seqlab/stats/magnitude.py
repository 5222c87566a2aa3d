"""Sums and means of numbers near the ends of what a float holds: scaled by a power of two, which is exact."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seqlab.schema.errors import UserError

_LARGE = 2.0**1000
"""Below it, the sum of millions of numbers is a float."""


def check_range(values: Sequence[float], what: str) -> None:
    """Make sure that the difference of any two finite values is a float.

    Raises:
        UserError: it is not.
    """
    low, high = min(values, default=0.0), max(values, default=0.0)
    if not math.isfinite(high - low):
        raise UserError(
            f"{what} must be less than 1.8e308 apart, so that their differences are numbers. "
            f"Got {low!r} and {high!r}."
        )


def exponent_of(values: NDArray[np.float64]) -> int:
    """The e for which the largest size is at least 2^(e - 1) and below 2^e; 0 where all are 0."""
    return math.frexp(float(np.abs(values).max(initial=0.0)))[1]


def mean(values: NDArray[np.float64]) -> float:
    """The mean of finite values, of any size.

    >>> mean(np.array([1e308, 1.2e308])), mean(np.array([1.0, 2.0]))
    (1.1e+308, 1.5)
    """
    if np.abs(values).max() < _LARGE:
        return float(values.mean())
    low, high = float(values.min()), float(values.max())
    # Rounding may exceed the largest value, and with it the largest float.
    return min(max(low, math.ldexp(float(np.ldexp(values, -64).mean()), 64)), high)
