"""Intervals and p-values from resampled values, computed so that the two never disagree."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqlab.schema.errors import UserError
from seqlab.schema.metric_spec import MetricSpec
from seqlab.stats.formatting import percent

LEVEL = 0.95
_SLACK = 1e-9
Draws = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Interval:
    """From `low` to `high`, ends included, in the unit of the estimated value.

    level: how often such an interval should contain the true value, a fraction.
    method: how it was computed.

    An end is None where it is censored: worse than any known value.
    """

    low: float | None
    high: float | None
    level: float
    method: str

    @property
    def ends(self) -> tuple[float, float]:
        """Low and high, of a value that cannot be censored: a share, or a known difference."""
        assert self.low is not None, "callers have no censored ends"
        assert self.high is not None, "callers have no censored ends"
        return self.low, self.high

    @property
    def width(self) -> float:
        """High minus low, where both ends are known."""
        return self.ends[1] - self.ends[0]


def format_size(difference: float, interval: Interval, metric: MetricSpec) -> str:
    """The size of a difference with its interval, with the sign that makes the size positive.

    >>> interval = Interval(low=-1.5, high=-0.1, level=0.95, method="")
    >>> format_size(-0.8, interval, MetricSpec(name="loss", unit="nats per token", better="lower"))
    'by 0.8 nats per token, 95 % 0.1 to 1.5'
    """
    sign, spread = (1 if difference >= 0 else -1), interval.width
    low, high = (metric.format_number(end, spread) for end in sorted(sign * end for end in interval.ends))
    size = metric.format_difference(abs(difference), spread)
    return f"by {size}, {percent(interval.level)} {low} to {high}"


def check_level(level: float) -> None:
    """Raise unless the level is a fraction between 0 and 1.

    Raises:
        UserError: it is not.
    """
    if not 0 < level < 1:
        raise UserError(f"'level' must be between 0 and 1. Got {level!r}. Nearest: {LEVEL}.")


def middle(draws: Draws, level: float) -> tuple[float, float] | None:
    """The k-th smallest and the k-th largest of N draws, k = floor((N + 1) (1 - level) / 2).

    None where k is 0: there are too few draws for this level. 0 is outside the interval exactly where
    `two_sided_p` is at most 1 - level.
    """
    # 1 - level is not exact in binary; without the slack, a level of 0.9 and 19 draws would give k = 0.
    k = math.floor((len(draws) + 1) * (1 - level) / 2 + _SLACK)
    if k < 1:
        return None
    # A partition finds both values without sorting all draws.
    ordered = np.partition(draws, [k - 1, len(draws) - k])
    return float(ordered[k - 1]), float(ordered[len(draws) - k])


def two_sided_p(draws: Draws, tie: float = 0.0) -> float:
    """2 (1 + min(draws <= 0, draws >= 0)) / (N + 1), at most 1.

    The 1 counts the observed value itself, so that p is never 0 (Phipson and Smyth 2010). Draws within
    `tie` of 0 count on both sides.
    """
    fewer = min(np.count_nonzero(draws <= tie), np.count_nonzero(draws >= -tie))
    return min(1.0, 2 * (1 + fewer) / (len(draws) + 1))


def binomial_share(successes: int, of: int, level: float = LEVEL) -> Interval:
    """The Clopper-Pearson interval (1934) of a probability, from `successes` of `of` trials; fractions.

    It is exact: its coverage is at least `level` for every probability. Wilson's interval is shorter, but its
    coverage falls below its level for probabilities near 0 and 1 (Brown, Cai and DasGupta 2001), which is the
    case of a model that learns with nearly every seed, or with hardly any.

    Raises:
        UserError: no trials, or more successes than trials.
    """
    check_level(level)
    if not 0 <= successes <= of or of == 0:
        raise UserError(
            f"Successes must be between 0 and a positive number of trials. Got {successes} of {of}."
        )
    # Imported here, because scipy takes long to load and most commands need no interval.
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    low = float(betaincinv(successes, of - successes + 1, tail)) if successes else 0.0
    high = float(betaincinv(successes + 1, of - successes, 1 - tail)) if successes < of else 1.0
    return Interval(low=low, high=high, level=level, method="Clopper-Pearson, exact")
