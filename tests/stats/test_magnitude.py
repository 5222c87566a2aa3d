"""Statistics of numbers of any size, against exact fractions."""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Sequence
from fractions import Fraction
from operator import mul
from statistics import median

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqlab.schema.errors import UserError
from seqlab.schema.metric_spec import MetricSpec
from seqlab.stats.censored import SeedOutcome, quantile
from seqlab.stats.forest import forest_importance
from seqlab.stats.grid import SettingCell, needs_ranks
from seqlab.stats.importance import importance
from seqlab.stats.item_scores import ItemScores
from seqlab.stats.over_seeds import over_seeds
from seqlab.stats.reliability import Setting, expected_best, reliability
from seqlab.stats.summary import summarize

LOSS = MetricSpec(name="loss", unit="nats per token", better="lower")
LARGEST, LEAST = sys.float_info.max, 5e-324
ANY = st.floats(allow_nan=False, allow_infinity=False)
EXTREME = st.sampled_from([0.0, LEAST, 3 * LEAST, 1e-310, 1.0, 1e300, 1e308, LARGEST / 2, LARGEST])
VALUES = st.lists(EXTREME | st.floats(0, LARGEST), min_size=1, max_size=6)
APART = [-LARGEST, LARGEST]


def outcomes(values: Sequence[float]) -> list[SeedOutcome]:
    return [SeedOutcome(seed=seed, value=value) for seed, value in enumerate(values)]


def close(found: float, exact: Fraction, unit: float) -> bool:
    """Equal but for rounding: of the largest value, or of the least number there is."""
    return abs(Fraction(found) - exact) <= max(Fraction(unit) / 10**11, Fraction(2 * LEAST))


@settings(max_examples=30)
@given(st.lists(ANY, min_size=1, max_size=9), st.sampled_from([0.0, 0.25, 0.5, 1.0]))
def test_a_quantile_is_between_its_neighbours(values: list[float], share: float) -> None:
    ascending = sorted(values)
    position = Fraction(share) * (len(values) - 1)
    below = math.floor(position)
    low, high = Fraction(ascending[below]), Fraction(ascending[min(below + 1, len(values) - 1)])
    exact = low + (position - below) * (high - low)
    assert close(quantile(ascending, share), exact, max(map(abs, values)))


@settings(max_examples=30)
@given(VALUES)
def test_a_summary_holds_the_median_and_finite_ends(values: list[float]) -> None:
    found = summarize(outcomes(values), LOSS)
    assert found.median is not None
    assert close(found.median, Fraction(median(map(Fraction, values))), max(values))
    low, high = found.interval.ends
    assert min(values) <= low <= found.median <= high <= max(values)
    assert (found.lowest, found.highest, found.censored) == (min(values), max(values), {})
    assert "inf" not in found.sentence
    assert "censored" not in found.sentence


@settings(max_examples=30)
@given(st.lists(st.tuples(EXTREME, EXTREME), min_size=1, max_size=6))
def test_the_comparison_over_seeds_is_exact(pairs: list[tuple[float, float]]) -> None:
    one, other = zip(*pairs, strict=True)
    found = over_seeds(outcomes(one), outcomes(other), names=("a", "b"), metric=LOSS)
    assert not found.censored
    gaps = [Fraction(a) - Fraction(b) for a, b in pairs]
    largest = max(*one, *other)
    assert found.difference is not None
    assert close(found.difference, Fraction(sum(gaps)) / len(gaps), largest)
    total = abs(sum(gaps))
    # What is smaller than the rounding of the largest value is a tie.
    slack = Fraction(largest) / 10**11
    # Every float is a multiple of the least one.
    units = [int(gap / Fraction(LEAST)) for gap in gaps]
    above, below = ((total + sign * slack) / Fraction(LEAST) for sign in (1, -1))
    flips = [abs(sum(map(mul, units, signs))) for signs in itertools.product([-1, 1], repeat=len(gaps))]
    fewest, most = (sum(flip >= bound for flip in flips) / len(flips) for bound in (above, below))
    assert fewest - 1e-9 <= found.p <= most + 1e-9
    if found.interval is not None:
        low, high = found.interval.ends
        assert min(gaps) - slack <= Fraction(low) <= Fraction(high) <= max(gaps) + slack


def test_large_values_are_not_censored() -> None:
    found = over_seeds(outcomes([1.7e308] * 6), outcomes([1e308] * 6), names=("a", "b"), metric=LOSS)
    assert (found.censored, found.winner, found.p) == (False, "b", 2**-5)
    assert found.difference == pytest.approx(7e307)
    assert found.interval is not None
    assert found.interval.ends == pytest.approx((7e307, 7e307))


def test_the_least_numbers_differ() -> None:
    found = over_seeds(
        outcomes([LEAST, -LEAST, LEAST] * 2), outcomes([0.0] * 6), names=("a", "b"), metric=LOSS
    )
    scaled = over_seeds(outcomes([1.0, -1.0, 1.0] * 2), outcomes([0.0] * 6), names=("a", "b"), metric=LOSS)
    assert found.p == scaled.p


@settings(max_examples=30)
@given(st.lists(EXTREME, min_size=1, max_size=6))
def test_the_expected_best_is_a_mean_over_subsets(values: list[float]) -> None:
    for k, found in enumerate(expected_best(values, LOSS), start=1):
        bests = [Fraction(min(chosen)) for chosen in itertools.combinations(values, k)]
        assert found is not None
        assert close(found, Fraction(sum(bests)) / len(bests), max(values))


def test_values_whose_difference_is_no_float_are_refused() -> None:
    with pytest.raises(UserError, match=r"The values of seeds must be less than 1.8e308 apart.*Got -1.79"):
        summarize(outcomes(APART), LOSS)
    with pytest.raises(UserError, match=r"The values of a and b must be less than 1.8e308 apart"):
        over_seeds(outcomes(APART[:1]), outcomes(APART[1:]), names=("a", "b"), metric=LOSS)
    tried = [Setting(architecture="a", setting=str(value), value=value) for value in APART]
    with pytest.raises(UserError, match="The values of settings must be less than"):
        reliability(tried, LOSS, within=0.0)


def grid(scale: float) -> list[SettingCell]:
    """Values 1 to 4 with a seed's difference, which both axes explain."""
    return [
        SettingCell(settings={"x": x, "y": y}, values=(scale * (1 + x + 2 * y), scale * (1.5 + x + 2 * y)))
        for x, y in itertools.product((0, 1), repeat=2)
    ]


@pytest.mark.parametrize("power", [-1070, -600, -300, 300, 490])
def test_shares_do_not_depend_on_the_size(power: int) -> None:
    one, other = importance(grid(1.0), LOSS), importance(grid(2.0**power), LOSS)
    assert other.effects == one.effects
    assert other.seed_share == one.seed_share
    assert other.sentence == one.sentence


def test_a_variance_beyond_floats_takes_ranks() -> None:
    with pytest.raises(
        UserError, match=r"at most 3e\+150 in size. Got .*e\+300 at x=0 y=0. Nearest: scale='rank'"
    ):
        importance(grid(1e300), LOSS)
    assert importance(grid(1e300), LOSS, scale="rank") == importance(grid(1.0), LOSS, scale="rank")


def test_a_forest_takes_the_least_numbers_and_ranks_of_the_largest() -> None:
    cells = [SettingCell(settings={"x": x, "y": x % 2}, values=(1e-320 * x,)) for x in range(10)]
    found = forest_importance(cells, LOSS)
    assert math.fsum(effect.share for effect in found.effects) + found.rest == pytest.approx(1)
    assert not found.ranks
    assert not needs_ranks(grid(1e149))
    assert needs_ranks(grid(1e151))


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        ({"nats": [1e308]}, r"'nats' must be at most 8\S+e\+270 in size. Got 1e\+308"),
        ({"nats": [math.inf]}, "'nats' must be finite"),
        ({"targets": [math.inf]}, r"'targets' must be at most .*Got inf"),
        ({"targets": [math.nan]}, r"'targets' must be at least 1\. Got nan"),
    ],
)
def test_scores_whose_sums_are_no_floats_are_refused(scores: dict[str, list[float]], words: str) -> None:
    with pytest.raises(UserError, match=words):
        ItemScores(**{"nats": [1.0], "targets": [1], "right": [1], **scores})


def test_no_warning_is_given_for_ranks_of_the_largest_numbers() -> None:
    with np.errstate(all="raise"):
        cells = [SettingCell(settings={"x": x}, values=(value,)) for x, value in enumerate(APART)]
        assert importance(cells, LOSS, scale="rank").variance == 0.25
