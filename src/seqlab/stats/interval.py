"""Intervals, and reading them and p-values off resampled values so that the two never disagree."""

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
    """From `low` to `high`, ends included, in the unit of what it is about.

    level: how often such an interval should hold the true value, a fraction.
    method: how it was made.

    An end is None where it is censored: worse than any value seen.
    """

    low: float | None
    high: float | None
    level: float
    method: str

    @property
    def ends(self) -> tuple[float, float]:
        """Low and high, of what cannot be censored: a share, or a difference that is known."""
        assert self.low is not None, "known, see above"
        assert self.high is not None, "known, see above"
        return self.low, self.high

    @property
    def width(self) -> float:
        """The length of one whose ends are known."""
        return self.ends[1] - self.ends[0]


def by(difference: float, interval: Interval, metric: MetricSpec) -> str:
    """The size of a difference and its interval, seen from the larger side.

    >>> interval = Interval(low=-1.5, high=-0.1, level=0.95, method="")
    >>> by(-0.8, interval, MetricSpec(name="loss", unit="nats per token", better="lower"))
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

    None where k is 0: so few draws cannot bound anything at this level. 0 lies outside exactly where
    `two_sided_p` is at most 1 - level.
    """
    k = math.floor((len(draws) + 1) * (1 - level) / 2 + _SLACK)
    if k < 1:
        return None
    ordered = np.partition(draws, [k - 1, len(draws) - k])
    return float(ordered[k - 1]), float(ordered[len(draws) - k])


def two_sided_p(draws: Draws, tie: float = 0.0) -> float:
    """2 (1 + min(draws <= 0, draws >= 0)) / (N + 1), at most 1.

    The 1 stands for the observed value, so that p is never 0 (Phipson and Smyth 2010). Draws within
    `tie` of 0 count on both sides.
    """
    fewer = min(np.count_nonzero(draws <= tie), np.count_nonzero(draws >= -tie))
    return min(1.0, 2 * (1 + fewer) / (len(draws) + 1))


def binomial_share(successes: int, of: int, level: float = LEVEL) -> Interval:
    """The Clopper-Pearson interval (1934) of a probability, from `successes` of `of` trials; fractions.

    It is exact and covers at least `level` whatever the probability. Wilson's interval is shorter, but it
    covers less than it says for probabilities near 0 and 1 (Brown, Cai and DasGupta 2001), which is where
    a few seeds of a model that nearly always, or nearly never, learns are.

    Raises:
        UserError: no trials, or more successes than trials.
    """
    check_level(level)
    if not 0 <= successes <= of or of == 0:
        raise UserError(
            f"Successes must be between 0 and a positive number of trials. Got {successes} of {of}."
        )
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    low = float(betaincinv(successes, of - successes + 1, tail)) if successes else 0.0
    high = float(betaincinv(successes + 1, of - successes, 1 - tail)) if successes < of else 1.0
    return Interval(low=low, high=high, level=level, method="Clopper-Pearson, exact")
