"""The results of a study: importance of its axes, and best settings at an edge."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from known_cells import cell

from seqlab.comparison.study import Study
from seqlab.comparison.study_cells import StudyCell
from seqlab.comparison.study_importance import ALL, importances
from seqlab.comparison.study_pairs import pairs
from seqlab.schema.metric_spec import MetricSpec

LOSS = MetricSpec(name="loss", unit="nats per token", better="lower")
RATE, WIDTH = "training.optimizer.learning_rate", "model.hidden_size"


def study(cells: Sequence[StudyCell], **about: Any) -> Study:
    return Study(name="known", about=about, monitor=LOSS, cells=tuple(cells))


def grid(*architectures: str) -> list[StudyCell]:
    """Loss = width / 100 + (a tenth where the rate is 0.1), whatever the architecture."""
    return [
        cell(name, {RATE: rate, WIDTH: width}, width / 100 + 0.1 * (rate == 0.1))
        for name, rate, width in itertools.product(architectures, (0.1, 0.2), (10, 20, 30))
    ]


def test_a_complete_grid_is_divided_for_all_and_for_each() -> None:
    found = importances(study(grid("lstm", "gru"))).found
    assert list(found) == [ALL, "gru", "lstm"]
    shares = {effect.axes: effect.share for effect in found[ALL].effects}
    width, rate = (0.1**2 * 2 / 3), 0.05**2
    assert shares["hidden_size",] == pytest.approx(width / (width + rate))
    assert shares["learning_rate",] == pytest.approx(rate / (width + rate))
    assert shares["architecture",] == pytest.approx(0)
    assert not found["gru"].estimated


def test_with_one_axis_only_all_together_are_divided() -> None:
    cells = [cell(name, {RATE: rate}, rate) for name in ("lstm", "gru") for rate in (0.1, 0.2)]
    assert list(importances(study(cells)).found) == [ALL]


def test_draws_of_a_search_are_divided_by_a_forest_for_each_architecture() -> None:
    drawn = [
        cell(name, {RATE: 0.01 * index, WIDTH: index % 3}, 0.1 * index)
        for name in ("lstm", "gru")
        for index in range(1, 13)
    ]
    drawn.append(cell("gru", {RATE: 0.01, WIDTH: 1}, 9.0, seed=2))  # confirmed: does not count twice
    axes = {"training": {"optimizer": {"learning_rate": {"low": 0.01, "high": 0.12, "log": False}}}}
    found = importances(study(drawn, axes=axes)).found
    assert list(found) == ["gru", "lstm"]
    assert found["gru"].estimated
    assert found["gru"].effects == found["lstm"].effects
    assert found["gru"].effects[0].axes == ("learning_rate",)


def test_too_few_settings_give_the_reason() -> None:
    assert importances(study([cell("a", {}, 1.0), cell("b", {}, 2.0)])).why_not.startswith(
        "that takes two axes"
    )
    gap = importances(
        study([cell("a", {RATE: 0.1}, 1.0), cell("b", {RATE: 0.2}, 1.0), cell("b", {RATE: 0.1}, 1.0)])
    )
    assert gap.why_not.endswith("or with 10 settings of an architecture.")


def test_a_best_setting_at_the_end_of_what_was_tried_is_named() -> None:
    (edge,) = study(grid("lstm")).edges
    assert edge == (
        "lstm is best at the smallest hidden_size that was tried (10): beyond it there may be a better one"
    )
    inside = [cell("lstm", {WIDTH: width}, abs(width - 20)) for width in (10, 20, 30)]
    assert study(inside).edges == []
    with_words = [cell("lstm", {WIDTH: width}, 1.0) for width in (10, 20, 30, "auto")]
    assert study(with_words).edges == []


def test_a_best_setting_that_an_inner_one_equals_is_at_no_edge() -> None:
    values = {10: 0.1 + 0.2, 20: 0.3, 30: 0.4}
    assert study([cell("lstm", {WIDTH: width}, value) for width, value in values.items()]).edges == []
    assert study([cell("lstm", {WIDTH: width}, 0.3) for width in values]).edges == []


def test_equal_settings_keep_their_order_however_they_round() -> None:
    cells = [cell("lstm", {WIDTH: 10}, 0.1 + 0.2), cell("lstm", {WIDTH: 20}, 0.3), cell("gru", {}, 0.3)]
    known = study(cells)
    assert [(group.architecture, group.label) for group in known.best] == [
        ("gru", ""),
        ("lstm", "hidden_size=10"),
    ]
    assert pairs(known).found[0].sentence.startswith("gru and lstm equal; ")
