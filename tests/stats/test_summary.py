"""Summaries over seeds, against enumeration, scipy, and simulations whose median is known."""

from __future__ import annotations

import itertools
import math
import statistics
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from seqlab.schema.errors import UserError
from seqlab.schema.metric_spec import Better, MetricSpec
from seqlab.stats.censored import SeedOutcome, quantile
from seqlab.stats.interval import binomial_share
from seqlab.stats.summary import MOST_SEEDS, Summary, medians, summarize

ACCURACY = MetricSpec(name="accuracy", unit="fraction of texts", better="higher")
LOSS = MetricSpec(name="loss", unit="nats per token", better="lower")
FINITE = st.floats(-1e6, 1e6, allow_subnormal=False)


def outcomes(values: Sequence[float | None], why: str = "diverged") -> list[SeedOutcome]:
    return [SeedOutcome(seed=s, value=v, why="" if v is not None else why) for s, v in enumerate(values)]


def summary(*values: float | None, better: Better = "lower", good: float | None = None) -> Summary:
    return summarize(outcomes(values), LOSS if better == "lower" else ACCURACY, good=good)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6])
def test_the_bootstrap_distribution_is_that_of_all_resamples(n: int) -> None:
    values = [1.0, 2.5, 2.75, 7.0, 7.5, 20.0][:n]
    counts = Counter(statistics.median(resample) for resample in itertools.product(values, repeat=n))
    found: dict[float, float] = {}
    for value, chance in medians(values):
        found[value] = found.get(value, 0) + chance
    assert {v: c for v, c in found.items() if c > 1e-12} == pytest.approx(
        {value: count / n**n for value, count in counts.items()}
    )


@pytest.mark.parametrize("n", [7, 9, 10])
def test_the_interval_is_the_one_that_scipy_draws(n: int) -> None:
    values = np.random.default_rng(n).normal(size=n)
    drawn = stats.bootstrap(
        (values,),
        np.median,
        n_resamples=40_000,
        method="percentile",
        rng=np.random.default_rng(1),
        batch=4_000,
    )
    found = summary(*values).interval
    assert found.ends == pytest.approx(tuple(drawn.confidence_interval), abs=1e-9)


@given(st.lists(FINITE, min_size=1, max_size=12))
def test_quartiles_are_those_of_numpy(values: list[float]) -> None:
    found = summary(*values)
    expected = np.quantile(values, [0, 0.25, 0.5, 0.75, 1])
    five = (found.lowest, found.lower_quartile, found.median, found.upper_quartile, found.highest)
    assert five == pytest.approx(tuple(expected), rel=1e-9, abs=1e-6)
    assert found.interquartile_range == pytest.approx(stats.iqr(values), rel=1e-9, abs=1e-6)


@given(st.lists(st.one_of(st.none(), FINITE), min_size=1, max_size=9), st.randoms(use_true_random=False))
def test_the_order_of_seeds_changes_nothing(values: list[float | None], random) -> None:
    shuffled = outcomes(values)
    random.shuffle(shuffled)
    assert summarize(shuffled, LOSS, good=1.0) == summarize(outcomes(values), LOSS, good=1.0)


@given(st.lists(st.one_of(st.none(), FINITE), min_size=1, max_size=9))
def test_the_direction_mirrors_everything(values: list[float | None]) -> None:
    one = summary(*values, better="lower")
    other = summary(*(None if value is None else -value for value in values), better="higher")
    mirrored = [None if v is None else -v for v in (other.median, other.interval.high, other.interval.low)]
    assert [one.median, one.interval.low, one.interval.high] == [v and pytest.approx(v) for v in mirrored]
    assert one.coverage_at_least == other.coverage_at_least


@given(st.lists(FINITE, min_size=1, max_size=9), st.data())
def test_a_failed_seed_never_makes_the_median_better(values: list[float], data: st.DataObject) -> None:
    before = summary(*values, better="higher").median
    lost = data.draw(st.integers(0, len(values) - 1))
    after = summary(*values[:lost], None, *values[lost + 1 :], better="higher").median
    assert before is not None
    assert after is None or after <= before


def test_censored_seeds_are_worse_than_any_value_and_fail() -> None:
    found = summary(3.0, None, 1.0, 2.0, None, good=2.0)
    assert (found.lowest, found.median, found.highest) == (1.0, 3.0, None)
    assert (found.lower_quartile, found.upper_quartile, found.interquartile_range) == (2.0, None, None)
    assert found.interval.high is None
    assert (found.successes, found.share) == (2, 0.4)
    assert found.censored == {"diverged": 2}
    higher = summary(0.3, None, 0.1, better="higher")
    assert (higher.lowest, higher.median, higher.highest) == (None, 0.1, 0.3)
    assert summary(None, None, 1.0).median is None
    assert summary(None, 1.0).median is None, "halfway to what is censored"


def test_quantiles_next_to_infinity_are_numbers() -> None:
    assert quantile([1.0, 2.0, math.inf], 0.5) == 2.0
    assert quantile([1.0, 2.0, math.inf, math.inf], 0.5) == math.inf
    assert quantile([-math.inf, -math.inf, 1.0], 0.25) == -math.inf


@pytest.mark.parametrize("of", range(1, 13))
def test_the_interval_of_a_share_is_clopper_and_pearsons(of: int) -> None:
    for successes in range(of + 1):
        expected = stats.binomtest(successes, of).proportion_ci(0.95, method="exact")
        found = binomial_share(successes, of)
        assert found.ends == pytest.approx((expected.low, expected.high), abs=1e-9)


def covers(method: str, of: int, chance: float) -> float:
    """How often the interval of a share holds the true one: exact, a sum over all outcomes."""
    together = 0.0
    for successes in range(of + 1):
        if method == "exact":
            low, high = binomial_share(successes, of).ends
        else:
            low, high = stats.binomtest(successes, of).proportion_ci(0.95, method=method)
        if low <= chance <= high:
            together += float(stats.binom.pmf(successes, of, chance))
    return together


def test_the_interval_of_a_share_never_covers_less_than_its_level_as_wilsons_does() -> None:
    probabilities = (0.02, 0.05, 0.2, 0.5, 0.8, 0.95, 0.98)
    assert min(covers("exact", of, chance) for of in (3, 5, 8) for chance in probabilities) >= 0.95
    assert covers("wilson", 5, 0.98) < 0.91


@pytest.mark.parametrize(
    ("n", "coverage"), [(3, 0.75), (5, 0.9375), (7, 0.875), (8, 0.9296875), (9, 0.9609375)]
)
def test_the_interval_of_the_median_has_its_coverage(n: int, coverage: float) -> None:
    samples = np.random.default_rng(n).exponential(size=(1_500, n))
    found = [summary(*sample.tolist()) for sample in samples]
    assert {one.coverage_at_least for one in found} == {coverage}
    ends = [one.interval.ends for one in found]
    share = np.mean([low <= math.log(2) <= high for low, high in ends])
    error = 3 * math.sqrt(coverage * (1 - coverage) / len(samples))
    assert share >= coverage - error
    if n % 2:
        assert share <= coverage + error


def test_one_seed_has_no_interval() -> None:
    assert summary(0.5).interval_ends == (None, None)
    assert summary(0.5, 1.5).interval_ends == (0.5, 1.5)
    assert summary(0.5, None).interval_ends == (0.5, None)


def test_sentences() -> None:
    five = summary(0.894, 0.891, 0.897, 0.889, None, better="higher", good=0.89)
    assert five.sentence == (
        "median accuracy 89.10 % over 5 seeds, from censored to 89.70, quartiles 88.90 and 89.40, "
        "bootstrap 95 % censored to 89.70 (with few seeds, its coverage is only guaranteed to be 93.8 %); "
        "1 of 5 seeds without a value (1 diverged); "
        "3 of 5 seeds succeeded (at least 89 %), 95 % interval 15 to 95 %"
    )
    assert summary(4.55).sentence == (
        "loss 4.550 nats per token with 1 seed, so the spread is unknown; "
        "1 of 1 seed succeeded, 95 % interval 3 to 100 %"
    )
    lost = summarize(outcomes([None, None, 1.0], why=""), LOSS)
    assert "median loss censored over 3 seeds" in lost.sentence
    assert (
        "2 of 3 seeds without a value (2 failed), so the median is worse than any known value"
        in lost.sentence
    )


def test_a_value_reaches_the_good_one_however_it_rounds() -> None:
    for metric in (LOSS, MetricSpec(name="accuracy", unit="fraction of texts", better="higher")):
        for value, good in ((0.1 + 0.2, 0.3), (0.3, 0.1 + 0.2)):
            assert summarize(outcomes([value]), metric, good=good).successes == 1


def test_values_that_differ_by_rounding_alone_have_no_spread() -> None:
    assert summarize(outcomes([0.3, 0.1 + 0.2, 0.3]), LOSS).sentence.startswith(
        "median loss 0.3000 nats per token over 3 seeds, from 0.3000 to 0.3000"
    )


@pytest.mark.parametrize(
    ("value", "spread", "text"),
    [
        (3.3e-8, 0.0, "3.3e-08"),
        (2.34567e-8, 1e-9, "2.346e-08"),
        (0.000123456, 1e-7, "0.0001235"),
        (3.3e-8, 0.1, "3.3e-08"),
        (0.5123456, 1e-9, "0.512346"),
        (0.0, 0.0, "0.000"),
        (-2.6e-8, 0.0, "-2.6e-08"),
        (1.5e300, 0.0, "1.5e+300"),
        (12345.678, 0.0, "12346"),
        (None, 0.0, "censored"),
    ],
)
def test_numbers_keep_their_digits(value: float | None, spread: float, text: str) -> None:
    assert LOSS.format_number(value, spread) == text


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_value_that_is_not_a_number_is_refused(value: float) -> None:
    with pytest.raises(UserError, match=r"value of seed 3 must be finite, or None .* Got (nan|inf)"):
        SeedOutcome(seed=3, value=value)


def test_impossible_outcomes_are_refused() -> None:
    with pytest.raises(UserError, match="at least one seed"):
        summarize([], LOSS)
    with pytest.raises(UserError, match="Got seed 1 more than once"):
        summarize([SeedOutcome(seed=1, value=1.0)] * 2, LOSS)
    with pytest.raises(UserError, match=r"'level' must be between 0 and 1\. Got 95"):
        summarize(outcomes([1.0]), LOSS, level=95)
    with pytest.raises(UserError, match="at most 1,000 seeds"):
        summarize(outcomes([0.0] * (MOST_SEEDS + 1)), LOSS)
    with pytest.raises(UserError, match="Got 3 of 2"):
        binomial_share(3, 2)
