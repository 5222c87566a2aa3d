"""Two models on the same items: the paired bootstrap, in blocks for running text, and McNemar's test."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seqlab.schema.errors import UserError
from seqlab.schema.metric_spec import MetricSpec
from seqlab.stats.formatting import counted, format_p
from seqlab.stats.interval import LEVEL, Interval, check_level, format_size, middle, two_sided_p
from seqlab.stats.item_scores import ItemScores, Score, Unit, averaged, check_same, metric_of
from seqlab.stats.over_seeds import better_of, in_order
from seqlab.stats.resample import RESAMPLES, default_block, ratios
from seqlab.stats.ties import difference, differences

LEAST_UNITS = 20
"""The least number of items or blocks for a test: with 20, percentile intervals cover 91 to 93 %, not 95."""
FEW_DISCORDANT = 25
"""Discordant pairs below which McNemar's test is the exact one."""
ROUNDING = 1e-6
"""Relative difference of two mean losses up to which models are equal: about 8 roundings of float32, in which
networks compute. An average over many items can resolve it, but it says nothing about the models."""
_SLACK = 1e-12


@dataclass(frozen=True, kw_only=True)
class McNemar:
    """McNemar's test of discordant texts, those that only one of the models got right.

    first_only, second_only: their counts. p: two-sided. method: which of the two forms.
    """

    first_only: int
    second_only: int
    p: float
    method: str


@dataclass(frozen=True, kw_only=True)
class ItemsComparison:
    """Two models paired by item; values in the metric's unit, differences first minus second.

    interval: of the difference; it covers the choice of items, not of seeds.
    p: two-sided, of no difference: McNemar's where it applies, else the bootstrap's; `test` says which.
    seeds: number of the first and of the second model; each item's score is the mean over them.
    block: items that were drawn together, 1 for independent items.
    adjusted_p: p after Holm's correction, where there were several comparisons.
    """

    first: str
    second: str
    metric: MetricSpec
    unit: Unit
    first_value: float
    second_value: float
    difference: float
    interval: Interval
    p: float
    test: str
    mcnemar: McNemar | None
    items: int
    targets: int
    seeds: tuple[int, int]
    block: int
    adjusted_p: float | None = None

    @property
    def enough_items(self) -> bool:
        """Whether there are enough items, or blocks of them, for resampling."""
        return self.items >= LEAST_UNITS * self.block

    @property
    def equal_but_for_rounding(self) -> bool:
        """Whether the mean losses differ, but by no more than the arithmetic of the models may round."""
        size = max(abs(self.first_value), abs(self.second_value))
        return self.metric.name == "loss" and 0 < abs(self.difference) <= ROUNDING * size

    @property
    def significant(self) -> bool:
        """Whether the models differ significantly, after the correction where there is one."""
        if self.equal_but_for_rounding:
            return False
        p = self.p if self.adjusted_p is None else self.adjusted_p
        return self.enough_items and p <= 1 - self.interval.level + _SLACK

    @property
    def winner(self) -> str | None:
        """The better model on these items; None where they are equal."""
        gain = 0.0 if self.equal_but_for_rounding else self.metric.gain(self.difference)
        return better_of(self.first, self.second, gain)

    @property
    def sentence(self) -> str:
        """Which model is better, by how much, over what, and whether that is significant."""
        return f"{self._who()}, {self._over()}{self._doubt()}"

    def _who(self) -> str:
        one, other = in_order(self.first, self.second, self.winner)
        if self.winner is None:
            return f"{one} and {other} equal{' but for rounding' * self.equal_but_for_rounding}"
        return f"{one} better than {other} {format_size(self.difference, self.interval, self.metric)}"

    def _over(self) -> str:
        words = f"over {counted(self.targets, self.unit)}"
        if self.block > 1:
            words += f" in blocks of {self.block}"
        if max(self.seeds) == 1:
            return words
        named_first, _ = in_order(self.first, self.second, self.winner)
        counts = self.seeds if named_first == self.first else self.seeds[::-1]
        seeds = " and ".join(str(count) for count in dict.fromkeys(counts))
        return f"{words}, each averaged over {seeds} seeds"

    def _doubt(self) -> str:
        if not self.enough_items:
            return ": too few items for a test"
        if self.significant or self.equal_but_for_rounding:
            return ""
        return f": not significant ({format_p(self.p, self.adjusted_p)})"


@dataclass(frozen=True, kw_only=True)
class ItemScoring:
    """How models are compared.

    score: "nats" (mean cross-entropy per target) or "right" (accuracy).
    unit: what a target is.
    running: whether the items are neighbours in a running text.
    block: items per block of a running text; None: `default_block`.
    level: of the intervals, a fraction.
    resamples: their number; at least 39 at 95 %.
    seed: of all draws.
    """

    score: Score
    unit: Unit
    running: bool = False
    block: int | None = None
    level: float = LEVEL
    resamples: int = RESAMPLES
    seed: int = 0

    def __post_init__(self) -> None:
        check_level(self.level)
        least = math.ceil(2 / (1 - self.level) - _SLACK) - 1
        if self.resamples < least:
            raise UserError(f"'resamples' must be at least {least} at this level. Got {self.resamples!r}.")
        if self.block is not None and not self.running:
            raise UserError(
                "'block' must be None unless the items are neighbours in a running text. "
                f"Got {self.block!r}. Nearest: None."
            )

    def block_of(self, items: int) -> int:
        """Items that are drawn together."""
        if not self.running:
            return 1
        return min(items, default_block(items)) if self.block is None else self.block

    @property
    def method(self) -> str:
        """Name of the method."""
        kind = "circular blocks of neighbouring items" if self.running else "items"
        return f"paired percentile bootstrap of {kind}, {self.resamples:,} resamples"


def over_items(
    first: Sequence[ItemScores], second: Sequence[ItemScores], *, names: tuple[str, str], plan: ItemScoring
) -> ItemsComparison:
    """Compare two models item by item.

    The paired bootstrap (Efron and Tibshirani 1993; for two systems on one test set Koehn 2004): items are
    drawn with replacement, together with both models' scores, and the difference of sum(score) / sum(targets)
    is computed for each draw. The interval is the percentile interval of the draws, and p is twice the share
    of draws on the less frequent side of 0. Neighbouring items of a running text are not independent; they
    are drawn in circular blocks (Politis and Romano 1992). For accuracy on independent texts, one target and
    one seed each, p is McNemar's.

    With several seeds each item's scores are averaged over them first. The interval then covers the variation
    of the average difference between these trained models over other items of the same kind. It does not
    cover other seeds: that is `over_seeds`.

    Args:
        first: the items of one model, once for each of its seeds.
        second: those of the other.
        names: of the two models.
        plan: score, unit, and how to draw.

    Raises:
        UserError: different items, or a block that is longer than the text.
    """
    one, other = averaged(first), averaged(second)
    check_same(one, other)
    block, score = plan.block_of(len(one)), plan.score
    gaps = differences(one.scores(score), other.scores(score))
    draws = ratios(gaps, one.targets, block=block, resamples=plan.resamples, seed=plan.seed)
    ends = middle(draws, plan.level)
    assert ends is not None, "the plan has enough resamples"
    # Averages over seeds are not right or wrong, and neighbours are not independent: no McNemar.
    single = len(first) == len(second) == 1 and score == "right" and not plan.running
    exact = mcnemar(one, other) if single and _one_target(one, other) else None
    return ItemsComparison(
        first=names[0],
        second=names[1],
        metric=metric_of(score, plan.unit),
        unit=plan.unit,
        first_value=one.value(score),
        second_value=other.value(score),
        difference=difference(one.value(score), other.value(score)),
        interval=Interval(low=ends[0], high=ends[1], level=plan.level, method=plan.method),
        p=exact.p if exact else two_sided_p(draws),
        test=exact.method if exact else plan.method,
        mcnemar=exact,
        items=len(one),
        targets=int(one.targets.sum()),
        seeds=(len(first), len(second)),
        block=block,
    )


def value_interval(items: ItemScores, plan: ItemScoring) -> Interval | None:
    """The percentile bootstrap interval of one model's score per target, in the score's unit.

    It covers other items of the same kind, not other seeds. None with fewer than `LEAST_UNITS` items or
    blocks.
    """
    block, score = plan.block_of(len(items)), plan.score
    if len(items) < LEAST_UNITS * block:
        return None
    draws = ratios(items.scores(score), items.targets, block=block, resamples=plan.resamples, seed=plan.seed)
    ends = middle(draws, plan.level)
    assert ends is not None, "the plan has enough resamples"
    return Interval(low=ends[0], high=ends[1], level=plan.level, method=plan.method.removeprefix("paired "))


def mcnemar(first: ItemScores, second: ItemScores) -> McNemar:
    """McNemar's test (1947) of two classifiers' accuracy on the same texts.

    Only discordant texts count, those that only one model got right: if the models are equally good, each is
    either's with probability 1/2. Below `FEW_DISCORDANT` of them p is the exact binomial one,
    otherwise that of chi-square with one degree of freedom and continuity correction (Edwards 1948),
    (|b - c| - 1)^2 / (b + c).

    Raises:
        UserError: different items, or an item that does not have one target that is right or wrong.
    """
    check_same(first, second)
    if not _one_target(first, second):
        raise UserError("McNemar's test needs one target per item, right or wrong. Nearest: the bootstrap.")
    one = int(np.count_nonzero(first.right > second.right))
    other = int(np.count_nonzero(first.right < second.right))
    both = one + other
    if both < FEW_DISCORDANT:
        tail = sum(math.comb(both, k) for k in range(min(one, other) + 1)) / 2**both
        p, method = min(1.0, 2 * tail), "McNemar, exact binomial"
    else:
        square = max(abs(one - other) - 1, 0) ** 2 / both
        p, method = math.erfc(math.sqrt(square / 2)), "McNemar, chi-square with continuity correction"
    return McNemar(first_only=one, second_only=other, p=p, method=method)


def _one_target(first: ItemScores, second: ItemScores) -> bool:
    certain = [np.isin(items.right, (0, 1)).all() for items in (first, second)]
    return bool((first.targets == 1).all() and all(certain))
