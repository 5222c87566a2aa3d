"""Two models, or all pairs of several, over items and over seeds, with a correction for many comparisons."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from seqlab.schema.errors import UserError
from seqlab.stats.censored import SeedOutcome
from seqlab.stats.item_scores import ItemScores, metric_of
from seqlab.stats.over_items import ItemsComparison, ItemScoring, over_items
from seqlab.stats.over_seeds import SeedsComparison, over_seeds


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A model to compare.

    outcomes: one per seed, censored ones too, in the unit of the compared score; () for a model without
        randomness, such as an n-gram.
    items: the scores on each item, once for each seed that has them.
    """

    name: str
    outcomes: tuple[SeedOutcome, ...] = ()
    items: tuple[ItemScores, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two models compared over items and over seeds; None: not known."""

    items: ItemsComparison | None
    seeds: SeedsComparison | None

    @property
    def names(self) -> tuple[str, str]:
        """Names of the two models."""
        known = self.seeds or self.items
        assert known is not None, "one of the two is known"
        return known.first, known.second

    @property
    def sentence(self) -> str:
        """One sentence on both; it names the better model twice where seeds and items disagree."""
        if self.items is None:
            assert self.seeds is not None, "one of the two is known"
            return self.seeds.sentence
        if self.seeds is None:
            return self.items.sentence
        agree = self.items.winner == self.seeds.winner
        return f"{self.items.sentence}; {self.seeds.verdict if agree else self.seeds.sentence}"


def compare(first: Candidate, second: Candidate, plan: ItemScoring) -> Comparison:
    """Compare two models over their items and over their seeds, as far as both have them.

    Raises:
        UserError: neither items nor outcomes of both, not the same items, or not the same seeds.
    """
    names = (first.name, second.name)
    items = seeds = None
    if first.items and second.items:
        items = over_items(first.items, second.items, names=names, plan=plan)
    if first.outcomes and second.outcomes:
        what = metric_of(plan.score, plan.unit)
        seeds = over_seeds(
            first.outcomes, second.outcomes, names=names, metric=what, level=plan.level, seed=plan.seed
        )
    if items is None and seeds is None:
        raise UserError(f"{names[0]} and {names[1]} must both have items, or both outcomes. Got neither.")
    return Comparison(items=items, seeds=seeds)


def all_pairs(candidates: Sequence[Candidate], plan: ItemScoring) -> list[Comparison]:
    """Compare every model with every other; p-values over items, and those over seeds, corrected by Holm.

    Raises:
        UserError: see `compare`.
    """
    found = [compare(first, second, plan) for first, second in itertools.combinations(candidates, 2)]
    items = iter(holm([pair.items.p for pair in found if pair.items is not None]))
    seeds = iter(holm([pair.seeds.p for pair in found if pair.seeds is not None]))
    return [
        Comparison(
            items=pair.items and dataclasses.replace(pair.items, adjusted_p=next(items)),
            seeds=pair.seeds and dataclasses.replace(pair.seeds, adjusted_p=next(seeds)),
        )
        for pair in found
    ]


def holm(ps: Sequence[float]) -> list[float]:
    """P-values corrected for their number (Holm 1979), in the order given.

    The i-th smallest of m, counted from 0, is multiplied by m - i; none is below its predecessor or above 1.
    Rejecting those of at most 5 % makes any error with a probability of at most 5 %, however the tests depend
    on each other.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted, largest = [0.0] * len(ps), 0.0
    for rank, index in enumerate(sorted(range(len(ps)), key=lambda index: ps[index])):
        largest = max(largest, min(1.0, (len(ps) - rank) * ps[index]))
        adjusted[index] = largest
    return adjusted
