"""Numbers that differ by rounding only: they are equal, whoever is named first."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from seqlab.schema.metric_spec import MetricSpec

TIE = 1e-12
"""Relative difference up to which two numbers are equal: a few thousand roundings of a float64."""
_DIGITS = 12


def equal(first: float, second: float) -> bool:
    """Whether two numbers are equal but for rounding.

    >>> equal(0.1 + 0.2, 0.3), equal(3.3e-8, 3.4e-8)
    (True, False)
    """
    return math.isclose(first, second, rel_tol=TIE)


def difference(first: float, second: float) -> float:
    """First minus second, exactly 0 where they are equal but for rounding.

    >>> difference(0.1 + 0.2, 0.3), difference(3.0, 1.0)
    (0.0, 2.0)
    """
    return 0.0 if equal(first, second) else first - second


def differences(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same of each pair of finite numbers: (N,)."""
    return np.where(np.abs(first - second) <= tie(first, second), 0.0, first - second)


def tie(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """The distances up to which pairs of numbers are equal: (N,)."""
    return TIE * np.maximum(np.abs(first), np.abs(second))


def reaches(value: float, good: float, metric: MetricSpec) -> bool:
    """Whether a value is as good as another one, or better.

    >>> reaches(0.1 + 0.2, 0.3, MetricSpec(name="loss", unit="nats per token", better="lower"))
    True
    """
    return metric.gain(difference(value, good)) >= 0


def order_key(value: float) -> float:
    """The value to sort by, so that ties keep their order however they round.

    >>> order_key(0.1 + 0.2), order_key(math.inf)
    (0.3, inf)
    """
    return float(f"{value:.{_DIGITS}g}")


def mean_ranks(values: NDArray[np.float64], ties: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Ranks from 1 in ascending order, ties sharing their mean rank.

    Args:
        values: (N,); infinite ones of one sign are ties.
        ties: (N,), how far a value may be from the next smaller one and still be equal to it; None: `TIE` of
            its size.

    >>> mean_ranks(np.array([0.3, 0.1, 0.1 + 0.2])).tolist()
    [2.5, 1.0, 2.5]
    """
    order = np.argsort(values, kind="stable")
    ascending = values[order]
    finite = np.where(np.isfinite(ascending), ascending, 0.0)
    limits = TIE * np.abs(finite) if ties is None else ties[order]
    # Infinity minus infinity is not a number, which is not above a limit; large numbers are infinitely apart.
    with np.errstate(invalid="ignore", over="ignore"):
        begins = np.diff(ascending) > limits[1:]
    groups = np.concatenate([[0], np.cumsum(begins)])
    counts = np.bincount(groups)
    ranks = np.empty(len(values))
    ranks[order] = (np.cumsum(counts) - (counts - 1) / 2)[groups]
    return ranks
