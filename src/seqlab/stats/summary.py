"""One model over its seeds: middle, spread, and the share of seeds that succeed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seqlab.schema.errors import UserError
from seqlab.schema.metric_spec import MetricSpec
from seqlab.stats.censored import SeedOutcome, between, by_seed, finite, ordered, quantile
from seqlab.stats.formatting import counted, percent
from seqlab.stats.interval import LEVEL, Interval, binomial_share, check_level
from seqlab.stats.magnitude import check_range
from seqlab.stats.ties import difference, reaches

MOST_SEEDS = 1_000
"""Of more, the number of resamples exceeds the largest float."""
_SLACK = 1e-12


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A model over its seeds; values in the metric's unit, None where censored, shares as fractions.

    interval: of the median, by the percentile bootstrap; see `summarize`.
    coverage_at_least: how often an interval computed like this contains the true median, a fraction.
    censored: number of seeds by the reason for having no value.
    good: the value that counts as success, in the metric's unit; None: any value does.
    """

    metric: MetricSpec
    seeds: int
    median: float | None
    lowest: float | None
    highest: float | None
    lower_quartile: float | None
    upper_quartile: float | None
    interval: Interval
    coverage_at_least: float
    censored: Mapping[str, int]
    good: float | None
    successes: int
    share: float
    share_interval: Interval

    @property
    def interquartile_range(self) -> float | None:
        """Upper minus lower quartile; None where one of them is censored."""
        if self.lower_quartile is None or self.upper_quartile is None:
            return None
        return self.upper_quartile - self.lower_quartile

    @property
    def interval_ends(self) -> tuple[float | None, float | None]:
        """The ends of the interval, None where they are censored; one seed has no interval."""
        return (None, None) if self.seeds == 1 else (self.interval.low, self.interval.high)

    @property
    def sentence(self) -> str:
        """All of it in one sentence."""
        return "; ".join(part for part in (self._middle(), self._missing(), self._success()) if part)

    def _middle(self) -> str:
        five = (self.lowest, self.lower_quartile, self.median, self.upper_quartile, self.highest)
        known = [value for value in five if value is not None]
        spread = difference(max(known, default=0.0), min(known, default=0.0))
        median = self.metric.format(self.median, spread)
        if self.seeds == 1:
            return f"{self.metric.name} {median} with 1 seed, so the spread is unknown"
        lowest, lower, _, upper, highest = (self.metric.format_number(value, spread) for value in five)
        low, high = (
            self.metric.format_number(value, spread) for value in (self.interval.low, self.interval.high)
        )
        words = (
            f"median {self.metric.name} {median} over {self.seeds} seeds, from {lowest} to {highest}, "
            f"quartiles {lower} and {upper}, bootstrap {percent(self.interval.level)} {low} to {high}"
        )
        if self.coverage_at_least >= self.interval.level:
            return words
        coverage = percent(self.coverage_at_least)
        return f"{words} (with few seeds, its coverage is only guaranteed to be {coverage})"

    def _missing(self) -> str:
        if not self.censored:
            return ""
        reasons = ", ".join(f"{count} {why}" for why, count in self.censored.items())
        middle = ", so the median is worse than any known value" if self.median is None else ""
        missing = f"{sum(self.censored.values())} of {counted(self.seeds, 'seed')} without a value"
        return f"{missing} ({reasons}){middle}"

    def _success(self) -> str:
        low, high = self.share_interval.ends
        bound = ""
        if self.good is not None:
            side = "at least" if self.metric.better == "higher" else "at most"
            bound = f" ({side} {self.metric.format(self.good, abs(self.good))})"
        return (
            f"{self.successes} of {counted(self.seeds, 'seed')} succeeded{bound}, "
            f"{percent(self.share_interval.level)} interval {100 * low:.0f} to {100 * high:.0f} %"
        )


def summarize(
    outcomes: Sequence[SeedOutcome], metric: MetricSpec, *, good: float | None = None, level: float = LEVEL
) -> Summary:
    """Median, range, quartiles and success of a model over its seeds.

    The median's interval is the percentile bootstrap's (Efron 1979): the quantiles of the median over all
    n^n resamples of the n seeds. Their distribution has a closed form, so it is exact for every n and
    nothing is drawn. With few seeds the coverage of such an interval is below its level. It is known for any
    continuous distribution of the values: 75 % with 3 seeds, 94 % with 5, 88 % with 7, 96 % with 9. This is
    `coverage_at_least`, which is exact for an odd number of seeds.

    Censored seeds count as failures and as worse than any known value.

    Args:
        outcomes: one per seed.
        metric: of the values.
        good: a seed succeeds if its value is at least (or, if lower is better, at most) this; None: if it
            has a value.
        level: of both intervals, a fraction.

    Raises:
        UserError: no outcomes, more than `MOST_SEEDS`, a seed twice, a level outside 0 to 1, or values
            that are too far apart.
    """
    check_level(level)
    if len(by_seed(outcomes)) > MOST_SEEDS:
        raise UserError(f"There must be at most {MOST_SEEDS:,} seeds. Got {len(outcomes):,}.")
    check_range([outcome.value for outcome in outcomes], "The values of seeds")
    values = ordered([outcome.value for outcome in outcomes], metric.better)
    # The upper end is the lower end of the reversed distribution.
    probabilities, tail = medians(values), (1 - level) / 2
    low, high = _first(probabilities, tail), _first(probabilities[::-1], tail)
    successes = sum(_succeeds(outcome, metric, good) for outcome in outcomes)
    return Summary(
        metric=metric,
        seeds=len(values),
        median=finite(quantile(values, 0.5)),
        lowest=finite(values[0]),
        highest=finite(values[-1]),
        lower_quartile=finite(quantile(values, 0.25)),
        upper_quartile=finite(quantile(values, 0.75)),
        interval=Interval(
            low=finite(low),
            high=finite(high),
            level=level,
            method="percentile bootstrap of the median, exact",
        ),
        coverage_at_least=_coverage(values, low, high),
        censored=dict(sorted(Counter(o.why or "failed" for o in outcomes if o.value is None).items())),
        good=good,
        successes=successes,
        share=successes / len(values),
        share_interval=binomial_share(successes, len(values), level),
    )


def medians(ascending: Sequence[float]) -> list[tuple[float, float]]:
    """Each value that the median of a bootstrap resample can take, ascending, with its probability.

    Exact, without resampling. Of an odd number n = 2m - 1 of values, the median is the m-th of the resample,
    which is at most the i-th value if at least m of the n draws are (Maritz and Jarrett 1978). Of an even
    number n = 2m, it is the mean of the m-th and the next one. These are the i-th and the j-th value, i < j,
    if m draws have their maximum at i and the other m have their minimum at j.

    >>> medians([1.0, 2.0])
    [(1.0, 0.25), (1.5, 0.5), (2.0, 0.25)]
    """
    n = len(ascending)
    m = (n + 1) // 2
    same = [_at_least(m, n, i / n) - _at_least(m, n, (i - 1) / n) for i in range(1, n + 1)]
    if n % 2:
        return list(zip(ascending, same, strict=True))
    # `same`: both middle values are the i-th; `apart`: they are the i-th and a later one.
    found: list[tuple[float, float]] = []
    for i in range(1, n + 1):
        maximum = math.comb(n, m) * ((i / n) ** m - ((i - 1) / n) ** m)
        apart = [maximum * (((n - j + 1) / n) ** m - ((n - j) / n) ** m) for j in range(i + 1, n + 1)]
        found.append((ascending[i - 1], max(0.0, same[i - 1] - sum(apart))))
        means = [between(ascending[i - 1], high, 0.5) for high in ascending[i:]]
        found += zip(means, apart, strict=True)
    return sorted(found)


def _at_least(m: int, n: int, p: float) -> float:
    """P(at least m successes in n trials of probability p)."""
    return sum(math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(m, n + 1))


def _coverage(ascending: Sequence[float], low: float, high: float) -> float:
    """P(the true median is between the outermost values within [low, high]).

    It is between the a-th and the b-th value if a to b - 1 of n are below it, each with probability 1/2.
    """
    n = len(ascending)
    inside = [rank for rank, value in enumerate(ascending, start=1) if low <= value <= high]
    return sum(math.comb(n, below) for below in inside[:-1]) / 2**n


def _first(probabilities: Sequence[tuple[float, float]], tail: float) -> float:
    """The first value at which the cumulative probability reaches that of a tail."""
    cumulative = 0.0
    for value, probability in probabilities:
        cumulative += probability
        if cumulative >= tail - _SLACK:
            return value
    raise AssertionError("probabilities add up to 1")


def _succeeds(outcome: SeedOutcome, metric: MetricSpec, good: float | None) -> bool:
    if outcome.value is None or good is None:
        return outcome.value is not None
    return reaches(outcome.value, good, metric)
