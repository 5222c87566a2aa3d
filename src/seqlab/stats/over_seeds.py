"""Two models over the same seeds: the exact sign-flip test and its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqlab.schema.errors import UserError
from seqlab.schema.metric_spec import Better, MetricSpec
from seqlab.stats.censored import SeedOutcome, by_seed, finite, quantile
from seqlab.stats.formatting import counted, format_p
from seqlab.stats.interval import LEVEL, Draws, Interval, check_level, format_size, middle, two_sided_p
from seqlab.stats.magnitude import check_range, shift_of, shifted_back
from seqlab.stats.ties import TIE, difference, mean_ranks

MOST_EXACT = 20
"""Seeds up to which all 2^n sign flips are computed; of more, `DRAWS` random ones."""
DRAWS = 99_999
_SLACK = 1e-12


@dataclass(frozen=True, kw_only=True)
class SeedsComparison:
    """Two models paired by seed; differences are first minus second, in the metric's unit.

    first_values, second_values: by seed, in the order of `seeds`; None where censored.
    censored: whether a seed has a value of one model only.
    difference: mean over seeds; with censored seeds the median. None where that itself is censored.
    interval: of the mean; None with censored seeds, or where there are too few seeds.
    p: two-sided, of the hypothesis that the models are exchangeable.
    smallest_p: the least p that this number of seeds can give, however large the difference.
    adjusted_p: p after Holm's correction, where there were several comparisons.
    """

    first: str
    second: str
    metric: MetricSpec
    seeds: tuple[int, ...]
    first_values: tuple[float | None, ...]
    second_values: tuple[float | None, ...]
    censored: bool
    difference: float | None
    interval: Interval | None
    p: float
    smallest_p: float
    test: str
    level: float
    adjusted_p: float | None = None

    @property
    def enough_seeds(self) -> bool:
        """Whether this number of seeds can give a significant difference at this level."""
        return self.smallest_p <= 1 - self.level + _SLACK

    @property
    def significant(self) -> bool:
        """Whether the models differ significantly, after the correction where there is one."""
        return (self.p if self.adjusted_p is None else self.adjusted_p) <= 1 - self.level + _SLACK

    @property
    def winner(self) -> str | None:
        """The better model, by the difference or else with more of the seeds; None where neither is."""
        gap = self.difference
        # Where seeds failed the median may be 0, although one model wins with more of them.
        if gap is None or (gap == 0 and self.censored):
            signs = np.sign(_differences(self.first_values, self.second_values, self.metric.better))
            gap = float(signs.sum())
        return better_of(self.first, self.second, self.metric.gain(gap))

    @property
    def sentence(self) -> str:
        """Which model is better, by how much, and whether that is significant."""
        one, other = in_order(self.first, self.second, self.winner)
        if self.winner is not None:
            return f"{one} better than {other} {self._by()}; {self.verdict}"
        if self.difference is None:
            return f"neither {one} nor {other} better, each with as many of the seeds; {self.verdict}"
        return f"{one} and {other} equal; {self.verdict}"

    @property
    def verdict(self) -> str:
        """The number of seeds, and whether the difference is significant over them."""
        seeds = counted(len(self.seeds), "seed")
        if not self.enough_seeds:
            return f"{seeds}: too few for a test over seeds, which takes {needed_seeds(self.level)} or more"
        significant = "significant" if self.significant else "not significant"
        return f"{seeds}: {significant} over seeds ({format_p(self.p, self.adjusted_p)})"

    def _by(self) -> str:
        if not self.difference:
            return "by the seeds with which the other failed"
        if self.interval is None:
            average = "in the median, as some seeds failed" if self.censored else "in the mean"
            return f"by {self.metric.format_difference(abs(self.difference), abs(self.difference))} {average}"
        return format_size(self.difference, self.interval, self.metric)


def over_seeds(
    first: Sequence[SeedOutcome],
    second: Sequence[SeedOutcome],
    *,
    names: tuple[str, str],
    metric: MetricSpec,
    level: float = LEVEL,
    seed: int = 0,
) -> SeedsComparison:
    """Compare two models seed by seed.

    The sign-flip permutation test (Fisher 1935): if the models are exchangeable, each seed's difference is
    equally likely to have the other sign; p is the share of all 2^n flips whose mean is at least as far from
    0 as the observed one. The interval contains every shift that the test does not reject: its ends are means
    of subsets of the differences (Hartigan 1969), so it excludes 0 exactly where p is at most 1 - level. It
    assumes differences that are symmetric about their middle. n seeds give no p below 2^(1-n), so that fewer
    than 6 cannot be significant at 95 %.

    A censored seed is worse than any value, an infinite difference; where there is one, the flips are of
    signed ranks (Wilcoxon 1945, ties by mean ranks, zeros as in Pratt 1959) and there is no interval. A seed
    with which both failed is a tie.

    Args:
        first: outcomes of one model.
        second: outcomes of the other, of the same seeds in any order.
        names: of the two models.
        metric: of the values.
        level: of the interval, a fraction.
        seed: of the flips that are drawn where there are more than `MOST_EXACT` seeds.

    Raises:
        UserError: the models have different seeds, no seeds, or one twice, or their values are too far apart.
    """
    check_level(level)
    pairs = _paired(first, second, names)
    seeds = tuple(sorted(pairs))
    values = [tuple(pairs[seed][side].value for seed in seeds) for side in (0, 1)]
    check_range([*values[0], *values[1]], f"The values of {names[0]} and {names[1]}")
    unscaled = _differences(values[0], values[1], metric.better)
    shift = shift_of(unscaled)
    differences = np.ldexp(unscaled, shift)
    # Flips that tie with the observed sum must count on both sides, however they round.
    tie = TIE * math.ldexp(_largest(values[0], values[1], unscaled), shift)
    exact = "exact" if len(seeds) <= MOST_EXACT else f"{DRAWS:,} draws"
    censored = any((one is None) != (other is None) for one, other in zip(*values, strict=True))
    flipped = _signed_ranks(differences, tie) if censored else differences
    draws = subset_means(flipped, seed)
    ends = None if censored else middle(np.where(np.abs(draws) <= tie, 0.0, draws), level)
    average = 0.0 if censored else _mean(differences, tie)
    method = f"sign flips of {'signed ranks' if censored else 'the mean'}, {exact}"
    return SeedsComparison(
        first=names[0],
        second=names[1],
        metric=metric,
        seeds=seeds,
        first_values=values[0],
        second_values=values[1],
        censored=censored,
        difference=_censored_median(unscaled) if censored else shifted_back(average, shift, unscaled),
        interval=ends
        and Interval(
            low=shifted_back(ends[0], shift, unscaled),
            high=shifted_back(ends[1], shift, unscaled),
            level=level,
            method=method,
        ),
        p=two_sided_p(draws, _SLACK * float(np.abs(flipped).max()) if censored else tie),
        smallest_p=2.0 ** (1 - len(seeds)) if len(seeds) <= MOST_EXACT else 2 / (DRAWS + 1),
        test=method,
        level=level,
    )


def needed_seeds(level: float = LEVEL) -> int:
    """The fewest seeds whose two-sided sign-flip test can reach p = 1 - level.

    >>> needed_seeds(0.95), needed_seeds(0.99)
    (6, 8)
    """
    return math.ceil(1 - math.log2(1 - level) - _SLACK)


def better_of(first: str, second: str, gain: float) -> str | None:
    """The first model where its gain is above 0, the second where it is below, else None."""
    if gain == 0:
        return None
    return first if gain > 0 else second


def in_order(first: str, second: str, winner: str | None) -> tuple[str, str]:
    """The better model and the other one; without a better one in the order of their names.

    >>> in_order("a", "b", "b"), in_order("b", "a", None)
    (('b', 'a'), ('a', 'b'))
    """
    if winner is None:
        return min(first, second), max(first, second)
    return winner, second if winner == first else first


def subset_means(values: NDArray[np.float64], seed: int = 0) -> Draws:
    """The mean of every non-empty subset: (2^n - 1,); beyond `MOST_EXACT` values, of `DRAWS` random subsets.

    Flipping the signs of a subset makes the sum no smaller exactly where the subset's mean is at most 0.

    >>> subset_means(np.array([1.0, 3.0])).tolist()
    [1.0, 3.0, 2.0]
    """
    if len(values) > MOST_EXACT:
        chosen = np.random.default_rng(seed).random((DRAWS, len(values))) < 0.5
        # An empty subset has no mean; it becomes that of the first value.
        chosen[~chosen.any(axis=1), 0] = True
        return (chosen @ values) / chosen.sum(axis=1)
    # Each value doubles the subsets: those without it, then those with it. The first one is empty.
    sums, sizes = np.zeros(1), np.zeros(1, dtype=np.int64)
    for value in values:
        sums, sizes = np.concatenate([sums, sums + value]), np.concatenate([sizes, sizes + 1])
    return sums[1:] / sizes[1:]


def _paired(
    first: Sequence[SeedOutcome], second: Sequence[SeedOutcome], names: tuple[str, str]
) -> dict[int, tuple[SeedOutcome, SeedOutcome]]:
    one, other = by_seed(first), by_seed(second)
    unpaired = sorted(one.keys() ^ other.keys())
    if unpaired:
        has, lacks = names if unpaired[0] in one else names[::-1]
        raise UserError(
            f"Both models must have the same seeds. Got seed {unpaired[0]} of {has} without one of {lacks}. "
            f"Nearest: the {counted(len(one.keys() & other.keys()), 'seed')} that both have."
        )
    return {seed: (outcome, other[seed]) for seed, outcome in one.items()}


def _differences(
    first: Sequence[float | None], second: Sequence[float | None], better: Better
) -> NDArray[np.float64]:
    """First minus second, infinite where one is censored, 0 where both are or where they are equal."""
    worse = -math.inf if better == "higher" else math.inf
    differences = []
    for one, other in zip(first, second, strict=True):
        if one is None or other is None:
            # Both are None where both failed: a tie.
            differences.append(0.0 if one is other else worse if one is None else -worse)
        else:
            differences.append(difference(one, other))
    return np.array(differences, dtype=np.float64)


def _largest(
    first: Sequence[float | None], second: Sequence[float | None], differences: NDArray[np.float64]
) -> float:
    """The size of the largest value of seeds that differ, on which the rounding of their mean depends."""
    differing = zip(first, second, differences, strict=True)
    sizes = [abs(value) for *pair, gap in differing if gap for value in pair if value is not None]
    return max(sizes, default=0.0)


def _mean(differences: NDArray[np.float64], tie: float) -> float:
    mean = float(differences.mean())
    return 0.0 if abs(mean) <= tie else mean


def _censored_median(differences: NDArray[np.float64]) -> float | None:
    """None where the median itself is censored."""
    return finite(quantile(np.sort(differences).tolist(), 0.5))


def _signed_ranks(differences: NDArray[np.float64], tie: float) -> NDArray[np.float64]:
    """Ranks of the absolute differences, with their signs; 0 stays 0."""
    return np.sign(differences) * mean_ranks(np.abs(differences), np.full(len(differences), tie))
