"""Numbers near the ends of what a float holds: scaled by a power of two, which is exact, or refused."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seqlab.schema.errors import UserError

_LARGE, _SMALL = 2.0**1000, 2.0**-900
"""Between these sizes, sums of many numbers and quotients of small ones are floats that are not rounded."""


def check_range(values: Sequence[float | None], what: str) -> None:
    """Make sure that the difference of any two values is a float; None is a censored one.

    Raises:
        UserError: it is not.
    """
    known = [value for value in values if value is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    if not math.isfinite(high - low):
        raise UserError(
            f"{what} must be less than 1.8e308 apart, so that their differences are numbers. "
            f"Got {low!r} and {high!r}."
        )


def shift_of(values: NDArray[np.float64]) -> int:
    """The power of two by which to multiply values; 0 unless the largest finite one is extreme.

    >>> shift_of(np.array([1.0, np.inf])), shift_of(np.array([1e308])), shift_of(np.array([0.0, 5e-324]))
    (0, -64, 200)
    """
    largest = float(np.abs(values[np.isfinite(values)]).max(initial=0.0))
    if largest >= _LARGE:
        return -64
    return 200 if 0 < largest < _SMALL else 0


def shifted_back(value: float, shift: int, values: NDArray[np.float64]) -> float:
    """A mean of shifted values in the size of the values, between which it lies however it was rounded."""
    if not shift:
        return value
    return min(max(value * 2.0**-shift, float(values.min())), float(values.max()))


def exponent_of(values: NDArray[np.float64]) -> int:
    """The e for which the largest size is at least 2^(e - 1) and below 2^e; 0 where all values are 0."""
    return math.frexp(float(np.abs(values).max()))[1]
