"""Log odds, by which probabilities are ordered; those that differ by rounding only are equal."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TIE = 1e-6
"""How far log odds of equal texts may be apart: logits are float32, and batches round them otherwise."""
_WIDE = 10 * TIE
_DECIMALS = 6

Floats = NDArray[np.float64]


def log_odds(shares: Floats) -> Floats:
    """log(p / (1 - p)) of each probability p.

    >>> log_odds(np.array([0.5, 0.75, 1.0])).round(3).tolist()
    [0.0, 1.099, inf]
    """
    with np.errstate(divide="ignore"):
        return np.log(shares) - np.log1p(-shares)


def log_odds_of_logs(logs: Floats) -> Floats:
    """The same of log p, with which a small p keeps its digits.

    >>> log_odds_of_logs(np.array([np.log(0.75), np.log(0.25), -800.0])).round(3).tolist()
    [1.099, -1.099, -800.0]
    """
    with np.errstate(divide="ignore"):
        return logs - np.log(-np.expm1(logs))


def tied(odds: Floats) -> Floats:
    """The log odds, (N,), with those that are equal but for rounding made equal.

    Neighbours up to `TIE` apart are equal. Where so many are neighbours that this would join distinct ones,
    they are rounded instead.

    >>> tied(np.array([0.5, 1e-7, -1e-7, np.inf])).tolist()
    [0.5, -1e-07, -1e-07, inf]
    """
    order = np.argsort(odds, kind="stable")
    ascending = odds[order]
    # Infinity minus infinity is not a number, which is not above a limit.
    with np.errstate(invalid="ignore"):
        groups = np.concatenate([[0], np.cumsum(np.diff(ascending) > TIE)])[: len(odds)]
        first = np.searchsorted(groups, groups)
        last = np.searchsorted(groups, groups, side="right") - 1
        wide = ascending[last] - ascending[first] > _WIDE
    equal = np.empty_like(odds)
    equal[order] = np.where(wide, np.round(ascending, _DECIMALS), ascending[first])
    return equal
