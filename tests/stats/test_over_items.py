"""Two models over items, against scipy, closed forms, and simulations whose difference is known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from seqlab.schema.errors import UserError
from seqlab.stats.interval import middle
from seqlab.stats.item_scores import ItemScores, averaged
from seqlab.stats.over_items import ItemsComparison, ItemScoring, mcnemar, over_items
from seqlab.stats.resample import default_block, ratios

Array = NDArray[np.float64]
TEXTS = ItemScoring(score="right", unit="text", resamples=999)
NATS = ItemScoring(score="nats", unit="token", resamples=999)


def texts(right: Any) -> ItemScores:
    right = np.asarray(right, dtype=float)
    return ItemScores(nats=0.1 + 0.5 * (1 - right), targets=np.ones(len(right)), right=right)


def tokens(nats: Array, targets: Array | None = None) -> ItemScores:
    return ItemScores(
        nats=nats, targets=np.ones(len(nats)) if targets is None else targets, right=np.zeros(len(nats))
    )


def compared(first: ItemScores, second: ItemScores, plan: ItemScoring) -> ItemsComparison:
    return over_items([first], [second], names=("LSTM", "GRU"), plan=plan)


def discordant(first_only: int, second_only: int, agreed: int = 50) -> tuple[ItemScores, ItemScores]:
    one = [1] * first_only + [0] * second_only + [1] * agreed
    other = [0] * first_only + [1] * second_only + [1] * agreed
    return texts(one), texts(other)


def test_the_bootstrap_is_scipys() -> None:
    random = np.random.default_rng(1)
    targets = random.integers(1, 40, size=300).astype(float)
    first, second = (random.gamma(targets, size=300) + extra for extra in (0.3, 0.0))
    found = compared(tokens(first, targets), tokens(second, targets), ItemScoring(score="nats", unit="token"))
    expected = stats.bootstrap(
        (first, second, targets),
        lambda a, b, n, axis: (a.sum(axis) - b.sum(axis)) / n.sum(axis),
        paired=True,
        vectorized=True,
        method="percentile",
        rng=np.random.default_rng(2),
    )
    ratio = first.sum() / targets.sum() - second.sum() / targets.sum()
    assert found.difference == pytest.approx(ratio)
    assert found.first_value - found.second_value == pytest.approx(ratio)
    width = found.interval.width
    assert found.interval.ends == pytest.approx(tuple(expected.confidence_interval), abs=0.04 * width)


def test_the_interval_of_accuracy_has_the_width_of_its_standard_error() -> None:
    one, other = discordant(300, 200, agreed=2_500)
    found = compared(one, other, ItemScoring(score="right", unit="text"))
    n, gap = 3_000, 100 / 3_000
    error = math.sqrt((500 / n - gap**2) / n)
    assert found.difference == pytest.approx(gap)
    assert found.interval.ends == pytest.approx((gap - 1.96 * error, gap + 1.96 * error), abs=0.1 * error)


@pytest.mark.parametrize(("first", "second"), [(0, 0), (1, 0), (6, 0), (5, 9), (12, 12), (24, 0)])
def test_mcnemar_with_few_discordant_texts_is_the_binomial_test(first: int, second: int) -> None:
    found = mcnemar(*discordant(first, second))
    expected = stats.binomtest(first, first + second).pvalue if first + second else 1.0
    assert found.p == pytest.approx(expected)
    assert (found.first_only, found.second_only) == (first, second)
    assert "exact" in found.method


@pytest.mark.parametrize(("first", "second"), [(25, 0), (12, 13), (86, 150), (40, 40)])
def test_mcnemar_with_many_is_chi_square_with_continuity_correction(first: int, second: int) -> None:
    square = max(abs(first - second) - 1, 0) ** 2 / (first + second)
    found = mcnemar(*discordant(first, second))
    assert found.p == pytest.approx(stats.chi2.sf(square, 1))
    assert found.p == pytest.approx(stats.binomtest(first, first + second).pvalue, rel=0.15, abs=2e-6)
    assert "chi-square" in found.method


def test_mcnemar_is_used_where_it_applies() -> None:
    one, other = discordant(20, 4)
    assert compared(one, other, TEXTS).test == "McNemar, exact binomial"
    assert compared(one, other, TEXTS).p == mcnemar(one, other).p
    several = over_items([one, one], [other], names=("a", "b"), plan=TEXTS)
    running = ItemScoring(score="right", unit="token", running=True, block=2)
    two_targets = ItemScores(nats=[1.0] * 30, targets=[2.0] * 30, right=[1.0] * 30)
    for found in (several, compared(one, other, running), compared(two_targets, two_targets, TEXTS)):
        assert found.mcnemar is None
        assert found.test.startswith("paired percentile bootstrap")


def test_equal_classifiers_differ_significantly_at_most_once_in_twenty() -> None:
    random = np.random.default_rng(0)
    significant = []
    for _ in range(1_000):
        hard = random.random(200) < 0.3
        one, other = (texts(~hard | (random.random(200) < 0.5)) for _ in range(2))
        significant.append(mcnemar(one, other).p <= 0.05)
    assert np.mean(significant) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 1_000)


def shares(series: Array, block: int, true: float) -> float:
    """How often the interval of the mean holds the true one, over rows of a series; 399 resamples each."""
    ones = np.ones(series.shape[1])
    found = [
        middle(ratios(row, ones, block=block, resamples=399, seed=k), 0.95) for k, row in enumerate(series)
    ]
    return float(np.mean([low <= true <= high for low, high in filter(None, found)]))


def test_the_interval_covers_for_independent_items() -> None:
    series = np.random.default_rng(1).exponential(size=(300, 200))
    assert shares(series, 1, 1.0) == pytest.approx(0.95, abs=0.04)


def test_blocks_cover_for_dependent_items_where_independent_draws_do_not() -> None:
    random = np.random.default_rng(2)
    noise = random.normal(size=(120, 2_500))
    series = np.empty_like(noise)
    series[:, 0] = noise[:, 0] / math.sqrt(1 - 0.7**2)
    for t in range(1, noise.shape[1]):
        series[:, t] = 0.7 * series[:, t - 1] + noise[:, t]
    # The mean's variance is (1 + 0.7) / (1 - 0.7) times that of independent items.
    narrow = 2 * stats.norm.cdf(1.96 / math.sqrt(1.7 / 0.3)) - 1
    assert shares(series, default_block(2_500), 0.0) == pytest.approx(0.95, abs=0.05)
    assert shares(series, 1, 0.0) == pytest.approx(narrow, abs=0.1)


@given(st.integers(1, 30), st.data())
def test_every_resample_is_made_of_whole_blocks(count: int, data: st.DataObject) -> None:
    block = data.draw(st.integers(1, count))
    random = np.random.default_rng(count)
    tops, bottoms = random.normal(size=count), random.integers(1, 5, size=count).astype(float)
    found = ratios(tops, bottoms, block=block, resamples=5, seed=block)
    starts = np.random.default_rng(block)
    firsts = starts.integers(0, count, size=(5, count // block), dtype=np.int32)
    lasts = starts.integers(0, count, size=5, dtype=np.int32)
    for value, row, last in zip(found, firsts, lasts, strict=True):
        indices = [(start + k) % count for start in row for k in range(block)]
        indices += [(last + k) % count for k in range(count % block)]
        assert len(indices) == count
        assert value == pytest.approx(tops[indices].sum() / bottoms[indices].sum(), abs=1e-9)


def test_one_block_as_long_as_the_text_has_no_spread() -> None:
    tops = np.random.default_rng(1).normal(size=70)
    assert ratios(tops, np.ones(70), block=70, resamples=50) == pytest.approx(tops.mean())


ITEMS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=20, max_size=60)


@given(ITEMS)
def test_swapping_the_models_mirrors_everything(pairs: list[tuple[int, int]]) -> None:
    one, other = (texts(right) for right in zip(*pairs, strict=True))
    there, back = compared(one, other, TEXTS), compared(other, one, TEXTS)
    assert there.p == back.p
    assert there.difference == -back.difference
    assert there.interval.ends == pytest.approx(tuple(-end for end in reversed(back.interval.ends)))
    assert there.significant == back.significant


def test_the_same_seed_gives_the_same_numbers_and_another_one_nearly() -> None:
    random = np.random.default_rng(5)
    one, other = tokens(random.exponential(size=400)), tokens(random.exponential(size=400))
    assert compared(one, other, NATS) == compared(one, other, NATS)
    again = compared(one, other, ItemScoring(score="nats", unit="token", resamples=999, seed=1))
    assert again.interval.ends != compared(one, other, NATS).interval.ends
    assert again.interval.ends == pytest.approx(compared(one, other, NATS).interval.ends, abs=0.03)


def test_seeds_are_averaged_item_by_item() -> None:
    random = np.random.default_rng(6)
    first = [texts(random.integers(0, 2, size=100)) for _ in range(3)]
    second = [texts(random.integers(0, 2, size=100)) for _ in range(3)]
    found = over_items(first, second, names=("LSTM", "GRU"), plan=TEXTS)
    assert averaged(first).right == pytest.approx(sum(items.right for items in first) / 3)
    assert found.first_value == pytest.approx(np.mean([items.right.mean() for items in first]))
    assert (found.seeds, found.mcnemar) == ((3, 3), None)
    assert "over 100 texts, each averaged over 3 seeds" in found.sentence
    unequal = over_items(first, second[:1], names=("LSTM", "GRU"), plan=TEXTS)
    assert "each averaged over 3 and 1 seeds" in unequal.sentence


def test_sentences() -> None:
    found = compared(*discordant(500, 300, agreed=4_200), ItemScoring(score="right", unit="text"))
    assert found.significant
    assert found.sentence == "LSTM better than GRU by 4.0 points, 95 % 2.9 to 5.1, over 5,000 texts"
    same = compared(*discordant(0, 0), TEXTS)
    assert same.sentence == "GRU and LSTM equal, over 50 texts: not significant (p = 1)"
    random = np.random.default_rng(8)
    worse = random.exponential(size=2_000)
    running = ItemScoring(score="nats", unit="token", running=True)
    found = compared(tokens(worse + 0.5), tokens(worse + 0.5 * random.random(2_000)), running)
    assert found.sentence.startswith("GRU better than LSTM by 0.2")
    assert found.sentence.endswith("over 2,000 tokens in blocks of 50")


def test_losses_that_differ_by_the_rounding_of_float32_are_equal() -> None:
    nats = np.random.default_rng(9).exponential(size=4_000)
    nearly = compared(tokens(nats * (1 + 2e-7)), tokens(nats), NATS)
    assert (nearly.winner, nearly.significant, nearly.p < 0.05) == (None, False, True)
    assert nearly.sentence == "GRU and LSTM equal but for rounding, over 4,000 tokens"
    little = compared(tokens(nats * (1 + 2e-5)), tokens(nats), NATS)
    assert (little.winner, little.significant) == ("GRU", True)


def test_with_too_few_items_nothing_is_significant() -> None:
    few = compared(*discordant(15, 0, agreed=4), TEXTS)
    assert few.p < 0.001
    assert not few.significant
    assert few.sentence.endswith("over 19 texts: too few items for a test")
    nats = np.linspace(0, 1, 999)
    short = compared(tokens(nats + 5), tokens(nats), ItemScoring(score="nats", unit="token", running=True))
    assert not short.significant, "999 tokens are 19 blocks of 50"
    tiny = ItemScoring(score="nats", unit="token", running=True)
    assert compared(tokens(nats[:7]), tokens(nats[:7]), tiny).block == 7


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nats": [1.0]}, r"one number per item each, .* Got shapes \(1,\), \(2,\), \(2,\)"),
        ({"nats": [], "targets": [], "right": []}, "at least one"),
        ({"nats": [1.0, math.nan]}, r"'nats' must be finite\. Got nan for item 1"),
        ({"targets": [0.0, 1.0]}, r"'targets' must be at least 1\. Got 0 for item 0"),
        ({"right": [0.0, 2.0]}, r"'right' must be from 0 to 'targets'\. Got 2 for item 1"),
    ],
)
def test_impossible_items_are_refused(change: dict[str, Any], message: str) -> None:
    right: dict[str, Any] = {"nats": [1.0, 2.0], "targets": [1.0, 1.0], "right": [1.0, 0.0]}
    with pytest.raises(UserError, match=message):
        ItemScores(**(right | change))


def test_different_items_and_wrong_plans_are_refused() -> None:
    with pytest.raises(UserError, match=r"the same items\. Got 2 and 3\."):
        compared(texts([1, 0]), texts([1, 0, 1]), TEXTS)
    with pytest.raises(UserError, match="Got 1 and 2 targets for item 1"):
        compared(tokens(np.ones(2)), tokens(np.ones(2), np.array([1.0, 2.0])), NATS)
    with pytest.raises(UserError, match="at least one seed"):
        over_items([], [texts([1])], names=("a", "b"), plan=TEXTS)
    with pytest.raises(UserError, match=r"'block' must be from 1 to the 2 items there are\. Got 3"):
        compared(
            texts([1, 0]), texts([1, 0]), ItemScoring(score="right", unit="token", running=True, block=3)
        )
    with pytest.raises(UserError, match=r"'block' must be None unless"):
        ItemScoring(score="right", unit="text", block=5)
    with pytest.raises(UserError, match=r"at least 39 at this level\. Got 10"):
        ItemScoring(score="right", unit="text", resamples=10)
    with pytest.raises(UserError, match="needs one target per item"):
        mcnemar(averaged([texts([1]), texts([0])]), texts([1]))
