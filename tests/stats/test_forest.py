"""Importance from a search's draws, against functions whose shares are known in closed form."""

from __future__ import annotations

import math
import random

import pytest

from seqlab.schema.errors import UserError
from seqlab.schema.metric_spec import MetricSpec
from seqlab.stats.forest import FEWEST, Span, forest_importance
from seqlab.stats.grid import SettingCell

LOSS = MetricSpec(name="loss", unit="nats per token", better="lower")
SPANS = {"rate": Span(low=1e-3, high=1.0, log=True), "width": Span(low=0, high=1)}


def draws(count: int, *, failed: bool = False) -> list[SettingCell]:
    """loss = log10(rate) + 0.5 where the cell is x, whatever the width."""
    chance = random.Random(0)
    found = []
    for index in range(count):
        rate, cell = 10 ** chance.uniform(-3, 0), chance.choice("xy")
        value = math.log10(rate) + 0.5 * (cell == "x")
        settings = {"rate": rate, "width": chance.random(), "cell": cell}
        found.append(SettingCell(settings=settings, values=(None if failed and index == 3 else value,)))
    return found


def test_the_shares_are_near_those_of_the_function() -> None:
    found = forest_importance(draws(100), LOSS, spans=SPANS)
    shares = {effect.axes: effect.share for effect in found.effects}
    rate, cell = 9 / 12, 0.25 / 4  # variances of a uniform draw from 3 decades, and of a coin worth 0.5
    assert shares["rate",] == pytest.approx(rate / (rate + cell), abs=0.05)
    assert shares["cell",] == pytest.approx(cell / (rate + cell), abs=0.05)
    assert shares["width",] < 0.03
    assert sum(shares.values()) + found.rest == pytest.approx(1.0)
    assert found.sentence.startswith("variance of loss over 100 cells, estimated by a random forest: rate 9")


def test_equal_draws_give_equal_shares() -> None:
    assert forest_importance(draws(30), LOSS, spans=SPANS) == forest_importance(draws(30), LOSS, spans=SPANS)


def test_a_failed_run_makes_values_ranks() -> None:
    found = forest_importance(draws(40, failed=True), LOSS, spans=SPANS)
    assert found.ranks
    assert found.effects[0].axes == ("rate",)
    assert "ranks of loss" in found.sentence


def test_equal_values_have_no_shares() -> None:
    same = [SettingCell(settings=cell.settings, values=(1.0,)) for cell in draws(12)]
    assert forest_importance(same, LOSS, spans=SPANS).effects == ()


def test_too_few_or_equal_settings_are_refused() -> None:
    with pytest.raises(UserError, match=r"at least 10 settings\. Got 9\."):
        forest_importance(draws(9), LOSS, spans=SPANS)
    with pytest.raises(UserError, match="At least one setting must have two values"):
        forest_importance([SettingCell(settings={"cell": "x"}, values=(1.0,))] * 10, LOSS)


@pytest.mark.parametrize("scale", [2.0**-60, 2.0**60])
def test_shares_do_not_depend_on_the_unit_of_the_values(scale: float) -> None:
    def cells(unit: float) -> list[SettingCell]:
        return [
            SettingCell(settings={"a": a, "b": b}, values=(unit * (a + b / 4),))
            for a in range(4)
            for b in range(4)
        ]

    expected = [effect.share for effect in forest_importance(cells(1.0), LOSS).effects]
    assert [effect.share for effect in forest_importance(cells(scale), LOSS).effects] == pytest.approx(
        expected
    )


def test_values_that_differ_by_rounding_alone_have_no_variance() -> None:
    values = [0.3 if index % 2 else 0.1 + 0.2 for index in range(FEWEST)]
    cells = [SettingCell(settings={"a": a, "b": a % 3}, values=(value,)) for a, value in enumerate(values)]
    found = forest_importance(cells, LOSS)
    assert (found.variance, found.effects) == (0.0, ())
