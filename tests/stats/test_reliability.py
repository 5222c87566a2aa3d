"""Spread over settings, against every choice of settings counted out."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab.schema.errors import UserError
from seqlab.schema.metric_spec import MetricSpec
from seqlab.stats.reliability import Setting, expected_best, reliability

ACCURACY = MetricSpec(name="accuracy", unit="fraction of texts", better="higher")
PERPLEXITY = MetricSpec(name="perplexity", unit="choices per token", better="lower")
VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=7)


def settings(**architectures: list[float | None]) -> list[Setting]:
    return [
        Setting(architecture=name, setting=f"lr={index}", value=value)
        for name, values in architectures.items()
        for index, value in enumerate(values)
    ]


@given(VALUES)
def test_the_expected_best_is_the_mean_over_every_choice(values: list[float]) -> None:
    for metric, best in ((ACCURACY, max), (PERPLEXITY, min)):
        counted = [
            np.mean([best(choice) for choice in itertools.combinations(values, k)])
            for k in range(1, len(values) + 1)
        ]
        assert expected_best(values, metric) == pytest.approx(counted)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=7))
def test_the_expected_best_with_replacement_is_never_better(values: list[float]) -> None:
    n, ascending = len(values), sorted(values)
    for k, exact in enumerate(expected_best(values, ACCURACY), start=1):
        dodge = sum(x * ((i / n) ** k - ((i - 1) / n) ** k) for i, x in enumerate(ascending, start=1))
        assert exact is not None
        assert exact >= dodge - 1e-12


def test_the_expected_best_is_unbiased_for_settings_drawn_at_random() -> None:
    drawn = np.random.default_rng(1).random((2_000, 6))
    curves = np.array([expected_best(row.tolist(), ACCURACY) for row in drawn], dtype=float)
    assert curves.mean(axis=0) == pytest.approx([k / (k + 1) for k in range(1, 7)], abs=0.015)


def test_there_is_no_expected_best_where_all_may_have_failed() -> None:
    assert expected_best([3.0, None, 1.0, None], PERPLEXITY) == [None, None, pytest.approx(1.5), 1.0]


def test_the_spread_of_each_architecture() -> None:
    gru, rnn = reliability(
        settings(RNN=[156.0, None, 145.0, 154.0], GRU=[103.0, 111.0, 112.0, 113.0]), PERPLEXITY, within=10.0
    )
    assert (gru.architecture, gru.best, gru.best_setting, gru.median) == ("GRU", 103.0, "lr=0", 111.5)
    assert (gru.near_own_best, gru.near_overall_best) == (1.0, 1.0)
    assert (gru.lower_quartile, gru.upper_quartile) == (109.0, 112.25)
    assert (rnn.best, rnn.median, rnn.upper_quartile, rnn.censored) == (145.0, 155.0, None, 1)
    assert (rnn.near_own_best, rnn.near_overall_best) == (0.5, 0.0)
    assert rnn.expected_best[0] is None
    assert rnn.sentence == (
        "RNN: 0 of 4 settings within 10 choices per token of the best of all, "
        "median 155 choices per token, best 145 choices per token (lr=2); 1 failed"
    )


def test_the_most_reliable_is_not_the_one_with_the_best_setting() -> None:
    found = reliability(
        settings(
            lucky=[0.91, 0.6, 0.5, 0.7], steady=[0.90, 0.895, 0.89, 0.6], worse=[0.90, 0.895, 0.89, 0.5]
        ),
        ACCURACY,
        within=0.02,
    )
    assert [one.architecture for one in found] == ["steady", "worse", "lucky"]
    assert [one.near_overall_best for one in found] == [0.75, 0.75, 0.25]
    assert found[0].sentence.startswith(
        "steady: 3 of 4 settings within 2.0 points of the best of all, median 89.2 %"
    )


def test_a_model_that_is_always_bad_is_not_reliable() -> None:
    found = reliability(settings(bad=[0.5, 0.5, 0.5], good=[0.9, 0.4, 0.4]), ACCURACY, within=0.02)
    assert [one.architecture for one in found] == ["good", "bad"]
    assert [one.near_own_best for one in found] == [pytest.approx(1 / 3), 1.0]


def test_a_value_exactly_at_the_distance_counts() -> None:
    (found,) = reliability(settings(a=[0.3, 0.1 + 0.1]), ACCURACY, within=0.1)
    assert found.near_own_best == 1.0


def test_an_architecture_that_always_failed_comes_last() -> None:
    found = reliability(settings(none=[None, None], some=[None, 0.5]), ACCURACY, within=0.1)
    assert [one.architecture for one in found] == ["some", "none"]
    assert (found[1].best, found[1].near_own_best, found[1].expected_best) == (None, 0.0, (None, None))
    (alone,) = reliability(settings(none=[None]), ACCURACY, within=0.1)
    assert alone.near_overall_best == 0.0


@given(
    st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=1, max_size=6), st.randoms(use_true_random=False)
)
def test_the_order_of_settings_changes_nothing_but_ties(values: list[float | None], random) -> None:
    shuffled = settings(a=values, b=[0.5])
    random.shuffle(shuffled)
    for one, other in zip(
        reliability(shuffled, ACCURACY, within=0.1),
        reliability(settings(a=values, b=[0.5]), ACCURACY, within=0.1),
        strict=True,
    ):
        assert (one.architecture, one.expected_best, one.median) == (
            other.architecture,
            other.expected_best,
            other.median,
        )


def test_impossible_arguments_are_refused() -> None:
    with pytest.raises(UserError, match="at least one setting"):
        reliability([], ACCURACY, within=0.1)
    with pytest.raises(UserError, match=r"Got 'lr=0' of a more than once"):
        reliability(settings(a=[0.1]) * 2, ACCURACY, within=0.1)
    for within in (-0.1, math.nan):
        with pytest.raises(UserError, match="'within' must be a finite distance of at least 0"):
            reliability(settings(a=[0.1]), ACCURACY, within=within)
    with pytest.raises(UserError, match=r"value of a, lr=1, must be finite, or None .* Got inf"):
        Setting(architecture="a", setting="lr=1", value=math.inf)
