"""Both halves of a comparison, and the correction for many of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab.schema.errors import UserError
from seqlab.stats.censored import SeedOutcome
from seqlab.stats.item_scores import ItemScores
from seqlab.stats.over_items import ItemScoring
from seqlab.stats.paired import Candidate, all_pairs, compare, holm

PLAN = ItemScoring(score="right", unit="text", resamples=199)
PS = st.lists(st.floats(0, 1), max_size=8)


def candidate(name: str, accuracy: float, seeds: int) -> Candidate:
    """A model that gets the first texts of 1,000 right, with one text more or fewer per seed."""
    rights = [np.arange(1_000) < 1_000 * accuracy + seed for seed in range(seeds)]
    items = tuple(ItemScores(nats=1.0 - right, targets=np.ones(1_000), right=right) for right in rights)
    outcomes = tuple(SeedOutcome(seed=seed, value=items[seed].value("right")) for seed in range(seeds))
    return Candidate(name=name, outcomes=outcomes, items=items)


def test_both_are_in_one_sentence() -> None:
    found = compare(candidate("LSTM", 0.9, 3), candidate("GRU", 0.85, 3), PLAN)
    assert found.items is not None
    assert found.seeds is not None
    assert found.items.difference == pytest.approx(0.05)
    assert found.seeds.difference == pytest.approx(0.05)
    assert found.sentence.startswith("LSTM better than GRU by 5.0 points, 95 % ")
    assert found.sentence.endswith(
        "over 1,000 texts, each averaged over 3 seeds; "
        "3 seeds: too few for a test over seeds, which takes 6 or more"
    )


def test_where_items_and_seeds_disagree_both_sides_are_named() -> None:
    lstm, gru = candidate("LSTM", 0.9, 2), candidate("GRU", 0.85, 2)
    swapped = Candidate(name="LSTM", outcomes=gru.outcomes, items=lstm.items)
    found = compare(swapped, Candidate(name="GRU", outcomes=lstm.outcomes, items=gru.items), PLAN)
    assert found.sentence.startswith("LSTM better than GRU by 5.0 points, 95 % ")
    assert "; GRU better than LSTM by 5.0 points in the mean; 2 seeds: too few" in found.sentence


def test_a_missing_comparison_is_left_out() -> None:
    lstm, gru = candidate("LSTM", 0.9, 7), candidate("GRU", 0.85, 7)
    alone = compare(lstm, Candidate(name="5-gram", items=gru.items[:1]), PLAN)
    assert alone.seeds is None
    assert "seeds:" not in alone.sentence
    seeds = compare(lstm, Candidate(name="GRU", outcomes=gru.outcomes), PLAN)
    assert seeds.items is None
    assert seeds.sentence.endswith("7 seeds: significant over seeds (p = 0.016)")
    with pytest.raises(UserError, match="LSTM and nothing must both have items, or both outcomes"):
        compare(lstm, Candidate(name="nothing"), PLAN)


def test_all_pairs_are_corrected_together() -> None:
    models = [candidate("A", 0.9, 6), candidate("B", 0.89, 6), candidate("C", 0.7, 6)]
    found = all_pairs(models, PLAN)
    named = [(pair.items.first, pair.items.second) for pair in found if pair.items is not None]
    assert named == [("A", "B"), ("A", "C"), ("B", "C")]
    over_items = [pair.items for pair in found if pair.items is not None]
    over_seeds = [pair.seeds for pair in found if pair.seeds is not None]
    assert [one.adjusted_p for one in over_items] == holm([one.p for one in over_items])
    assert [one.adjusted_p for one in over_seeds] == holm([one.p for one in over_seeds])
    assert [one.adjusted_p for one in over_seeds] == [3 * 2.0**-5] * 3
    assert not any(one.significant for one in over_seeds), "alone each would be significant, with 6 seeds"
    assert "after Holm" in found[0].sentence


@given(PS, st.floats(0.001, 0.999))
def test_the_correction_rejects_what_holms_steps_reject(ps: list[float], level: float) -> None:
    rejected: set[int] = set()
    for step, index in enumerate(sorted(range(len(ps)), key=lambda index: ps[index])):
        if ps[index] * (len(ps) - step) > level:
            break
        rejected.add(index)
    assert {index for index, p in enumerate(holm(ps)) if p <= level} == rejected


@given(PS, st.randoms(use_true_random=False))
def test_the_correction_does_not_depend_on_the_order(ps: list[float], random) -> None:
    order = list(range(len(ps)))
    random.shuffle(order)
    assert holm([ps[index] for index in order]) == [holm(ps)[index] for index in order]
    assert all(p <= corrected <= 1 for p, corrected in zip(ps, holm(ps), strict=True))


def test_among_many_true_hypotheses_hardly_ever_one_is_rejected() -> None:
    draws = np.random.default_rng(4).random((2_000, 10))
    wrong = np.mean([min(holm(ps.tolist())) <= 0.05 for ps in draws])
    assert wrong == pytest.approx(1 - (1 - 0.005) ** 10, abs=3 * math.sqrt(0.05 * 0.95 / 2_000))
