"""Two models over seeds, against scipy, inversion by hand, and simulations without a difference."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from operator import mul
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from seqlab.schema.errors import UserError
from seqlab.schema.metric_spec import MetricSpec
from seqlab.stats.censored import SeedOutcome
from seqlab.stats.over_seeds import MOST_EXACT, SeedsComparison, needed_seeds, over_seeds, subset_means

ACCURACY = MetricSpec(name="accuracy", unit="fraction of texts", better="higher")
LOSS = MetricSpec(name="loss", unit="nats per token", better="lower")
ALL: Any = np.inf
Values = Sequence[float | None]
PAIRS = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=8)


def outcomes(values: Values) -> list[SeedOutcome]:
    return [SeedOutcome(seed=seed, value=value) for seed, value in enumerate(values)]


def compared(
    first: Values, second: Values, metric: MetricSpec = LOSS, level: float = 0.95
) -> SeedsComparison:
    return over_seeds(outcomes(first), outcomes(second), names=("LSTM", "GRU"), metric=metric, level=level)


def of(differences: Iterable[float]) -> SeedsComparison:
    """A comparison whose differences are these."""
    values = [float(difference) for difference in differences]
    return compared(values, [0.0] * len(values))


def ends(found: SeedsComparison) -> tuple[float, float]:
    assert found.interval is not None
    return found.interval.ends


@pytest.mark.parametrize("n", [2, 5, 8, 11])
def test_p_is_that_of_scipys_permutation_test(n: int) -> None:
    differences = np.random.default_rng(n).normal(0.5, 1, size=n)
    expected = stats.permutation_test((differences,), np.mean, permutation_type="samples", n_resamples=ALL)
    found = of(differences)
    assert found.p == pytest.approx(expected.pvalue)
    assert found.difference == pytest.approx(differences.mean())
    assert "exact" in found.test


@pytest.mark.parametrize(("n", "level"), [(6, 0.95), (8, 0.95), (7, 0.9), (10, 0.99)])
def test_the_interval_contains_the_shifts_that_the_test_does_not_reject(n: int, level: float) -> None:
    differences = np.random.default_rng(n).normal(0.5, 1, size=n)
    low, high = ends(compared(differences.tolist(), [0.0] * n, level=level))
    step = 1e-6
    for inside, outside in ((low + step, low - step), (high - step, high + step)):
        assert of(differences - inside).p > 1 - level
        assert of(differences - outside).p <= 1 - level


@given(PAIRS)
def test_the_interval_and_p_never_disagree(pairs: list[tuple[float, float]]) -> None:
    one, other = zip(*pairs, strict=True)
    found = compared(one, other)
    if found.interval is not None:
        low, high = ends(found)
        if abs(low) > 1e-9 and abs(high) > 1e-9:
            assert found.significant == (not low <= 0 <= high)
    assert found.enough_seeds == (found.interval is not None) == (len(pairs) >= 6)


@given(PAIRS)
def test_swapping_the_models_mirrors_everything(pairs: list[tuple[float, float]]) -> None:
    one, other = zip(*pairs, strict=True)
    there, back = compared(one, other), compared(other, one)
    assert there.p == back.p
    assert back.difference is not None
    assert there.difference == -back.difference
    if there.interval is not None:
        assert ends(there) == pytest.approx(tuple(-end for end in reversed(ends(back))))


@given(PAIRS, st.randoms(use_true_random=False))
def test_the_order_of_seeds_changes_nothing(pairs: list[tuple[float, float]], random) -> None:
    one, other = (outcomes(values) for values in zip(*pairs, strict=True))
    before = over_seeds(one, other, names=("a", "b"), metric=ACCURACY)
    random.shuffle(one)
    random.shuffle(other)
    assert over_seeds(one, other, names=("a", "b"), metric=ACCURACY) == before


@pytest.mark.parametrize("n", [1, 3, 5, 6, 9])
def test_the_smallest_p_is_reached_by_the_clearest_difference(n: int) -> None:
    found = of([10.0 + k for k in range(n)])
    assert found.p == found.smallest_p == 2.0 ** (1 - n)
    assert found.significant == (n >= 6)


def test_flips_that_tie_count_however_they_round() -> None:
    tenths = [1, 2, -3, 4, 5, -6, 7, 3]
    flips = [sum(map(mul, signs, tenths)) for signs in itertools.product((1, -1), repeat=len(tenths))]
    expected = np.mean([abs(flip) >= sum(tenths) for flip in flips])
    assert of([tenth / 10 for tenth in tenths]).p == expected


def test_fewer_than_six_seeds_are_never_significant() -> None:
    found = compared([0.90, 0.91, 0.92], [0.1, 0.2, 0.3], ACCURACY)
    assert found.interval is None
    assert not found.enough_seeds
    assert found.sentence == (
        "LSTM better than GRU by 71 points in the mean; "
        "3 seeds: too few for a test over seeds, which takes 6 or more"
    )
    assert [needed_seeds(level) for level in (0.5, 0.9, 0.95, 0.99)] == [2, 5, 6, 8]


def test_sentences() -> None:
    clear = compared([1.0, 1.1, 1.2, 1.05, 1.15, 1.12, 1.3], [1.2, 1.4, 1.3, 1.3, 1.3, 1.3, 1.6])
    assert clear.sentence == (
        "LSTM better than GRU by 0.21 nats per token, 95 % 0.14 to 0.30; "
        "7 seeds: significant over seeds (p = 0.016)"
    )
    assert compared([1.0] * 6, [1.0] * 6).sentence == (
        "GRU and LSTM equal; 6 seeds: not significant over seeds (p = 1)"
    )


def test_without_a_difference_at_most_one_in_twenty_is_significant_and_the_interval_covers() -> None:
    random = np.random.default_rng(0)
    found = [of(random.laplace(0.0, random.uniform(0.5, 2, size=7))) for _ in range(3_000)]
    exact = 2 * math.floor(0.025 * 2**7) / 2**7
    error = 3 * math.sqrt(exact * (1 - exact) / len(found))
    assert np.mean([one.significant for one in found]) == pytest.approx(exact, abs=error)
    assert np.mean([low <= 0 <= high for low, high in map(ends, found)]) == pytest.approx(
        1 - exact, abs=error
    )


def test_failed_seeds_are_the_largest_ranks() -> None:
    first = [1.0, 1.2, 1.3, 1.6, 2.0, 1.9, 1.0]
    second = [1.1, None, 1.0, 1.8, 1.6, None, 1.05]
    large = [100.0 + seed if value is None else value for seed, value in enumerate(second)]
    # Two infinite differences share their rank, so scipy gets two equal ones.
    gaps = np.subtract(first, large)
    gaps[[1, 5]] = -100
    found = compared(first, second)
    expected = stats.permutation_test(
        (np.sign(gaps) * stats.rankdata(np.abs(gaps)),),
        np.sum,
        permutation_type="samples",
        n_resamples=ALL,
    )
    assert found.censored
    assert found.interval is None
    assert found.p == pytest.approx(expected.pvalue)
    assert found.difference == pytest.approx(np.median(gaps))
    assert "signed ranks" in found.test
    assert found.sentence.startswith("LSTM better than GRU by 0.10 nats per token in the median, as some")


def test_ranks_without_ties_are_wilcoxons() -> None:
    first = [5.0, None, 3.0, 8.0, 1.0, 9.5, 4.0, 2.0]
    second = [4.0, 3.0, 5.5, 5.0, 1.5, 5.0, 9.0, 8.0]
    gaps = [100.0 if a is None else a - b for a, b in zip(first, second, strict=True)]
    found = compared(first, second)
    expected: Any = stats.wilcoxon(gaps, method="exact")
    assert found.p == pytest.approx(expected.pvalue)


def test_seeds_with_which_both_failed_are_ties() -> None:
    found = compared([None] * 7, [None] * 7)
    assert (found.difference, found.p, found.censored) == (0.0, 1.0, False)
    half = compared([None, None, None, 1.0], [None, 2.0, 1.5, 2.0])
    assert half.difference is None
    assert half.winner == "GRU"
    assert half.sentence.startswith("GRU better than LSTM by the seeds with which the other failed; 4 seeds")


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ([None, 0.95], [0.7, 0.7], "neither GRU nor LSTM better, each with as many of the seeds; "),
        ([None, 0.9, None, 0.8], [0.7, None, 0.7, None], "neither GRU nor LSTM better"),
        ([None, 0.9], [0.7, None], "neither GRU nor LSTM better"),
        ([None, 0.95, 0.7], [0.7, 0.7, 0.7], "GRU and LSTM equal; "),
        ([None, None, 0.95], [0.7, 0.7, 0.7], "GRU better than LSTM by the seeds with which"),
        ([None, 0.95, 0.95], [0.7, 0.7, 0.7], "LSTM better than GRU by 25 points in the median"),
        ([0.1 + 0.2] * 6, [0.3] * 6, "GRU and LSTM equal; 6 seeds: not significant over seeds (p = 1)"),
        ([0.5], [0.5], "GRU and LSTM equal; "),
    ],
)
@pytest.mark.parametrize("metric", [ACCURACY, LOSS])
def test_the_sentence_is_the_same_whoever_is_named_first(
    first: Values, second: Values, words: str, metric: MetricSpec
) -> None:
    there = over_seeds(outcomes(first), outcomes(second), names=("LSTM", "GRU"), metric=metric)
    back = over_seeds(outcomes(second), outcomes(first), names=("GRU", "LSTM"), metric=metric)
    assert there.sentence == back.sentence
    assert there.winner == back.winner
    if metric is ACCURACY:
        assert there.sentence.startswith(words)


@given(st.lists(st.tuples(*[st.none() | st.sampled_from([0.1, 0.3, 0.1 + 0.2])] * 2), min_size=1, max_size=7))
def test_no_order_of_the_models_and_no_rounding_makes_a_winner(
    pairs: list[tuple[float | None, float | None]],
) -> None:
    one, other = zip(*pairs, strict=True)
    rounded = [[None if value is None else round(value, 1) for value in side] for side in (one, other)]
    there, back, exact = compared(one, other), compared(other, one), compared(rounded[0], rounded[1])
    assert (there.p, there.difference is None) == (back.p, exact.difference is None)
    assert there.p == exact.p
    assert there.winner == exact.winner
    # The names are swapped, too, so the winner is the other one.
    assert {there.winner, back.winner} in ({"LSTM", "GRU"}, {None})


def test_small_numbers_have_four_significant_digits() -> None:
    mse = MetricSpec(name="mse", unit="squared error", better="lower")
    assert compared([3.3e-8] * 6, [2.6e-8] * 6, mse).sentence == (
        "GRU better than LSTM by 7e-09 squared error, 95 % 7e-09 to 7e-09; "
        "6 seeds: significant over seeds (p = 0.031)"
    )
    spread = compared([3.31234e-8, 3.4e-8, 3.3e-8, 3.5e-8, 3.2e-8, 3.3e-8], [2.6e-8] * 6, mse)
    assert spread.sentence.startswith("GRU better than LSTM by 7.354e-09 squared error, 95 % 6e-09 to 9e-09")


def test_ranks_tie_however_differences_round() -> None:
    # Differences of 1, 1 and 2 tenths, and one that is larger than all.
    first, second = [0.3, 0.8, 0.9, None], [0.2, 0.7, 0.7, 0.5]
    gaps = np.array([1.0, 1.0, 2.0, -9.0])
    expected = stats.permutation_test(
        (np.sign(gaps) * stats.rankdata(np.abs(gaps)),),
        np.sum,
        permutation_type="samples",
        n_resamples=ALL,
    )
    assert compared(first, second, ACCURACY).p == pytest.approx(expected.pvalue)


def test_many_seeds_are_drawn_and_agree_with_students_t() -> None:
    differences = np.random.default_rng(1).normal(0.4, 1, size=40)
    found = of(differences)
    expected: Any = stats.ttest_1samp(differences, 0)
    assert found.p == pytest.approx(expected.pvalue, abs=0.005)
    assert ends(found) == pytest.approx(tuple(expected.confidence_interval(0.95)), abs=0.02)
    assert found == of(differences), "the draws are seeded"
    assert "99,999 draws" in found.test


def test_drawn_subsets_are_never_empty() -> None:
    assert (subset_means(np.ones(MOST_EXACT + 1)) == 1).all()


def test_different_seeds_are_refused() -> None:
    with pytest.raises(UserError, match=r"Got seed 2 of LSTM without one of GRU\. Nearest: the 2 seeds"):
        compared([1.0, 2.0, 3.0], [1.0, 2.0])
    with pytest.raises(UserError, match="Got seed 1 of GRU without one of LSTM"):
        compared([1.0], [1.0, 2.0])
    with pytest.raises(UserError, match="at least one seed"):
        compared([], [])
    with pytest.raises(UserError, match="more than once"):
        over_seeds(outcomes([1.0]) * 2, outcomes([1.0]), names=("a", "b"), metric=LOSS)


def test_where_the_median_is_0_the_model_wins_that_failed_with_fewer_seeds() -> None:
    solved, failing = [1.0] * 15, [1.0] * 8 + [None] * 7
    outcomes = [[SeedOutcome(seed=i, value=v) for i, v in enumerate(values)] for values in (solved, failing)]
    accuracy = MetricSpec(name="accuracy", unit="fraction of texts", better="higher")
    found = over_seeds(*outcomes, names=("A", "B"), metric=accuracy)
    assert found.significant
    assert found.sentence.startswith(
        "A better than B by the seeds with which the other failed; 15 seeds: sig"
    )
