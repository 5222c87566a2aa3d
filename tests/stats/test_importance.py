"""The functional ANOVA, against functions whose variance is known and against scipy's ANOVA."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from seqlab.schema.errors import UserError
from seqlab.schema.metric_spec import MetricSpec
from seqlab.stats.grid import SettingCell, missing
from seqlab.stats.importance import Importance, importance

LOSS = MetricSpec(name="loss", unit="nats per token", better="lower")
ACCURACY = MetricSpec(name="accuracy", unit="fraction of texts", better="higher")


def grid(function: Callable[..., float | Sequence[float]], **axes: Sequence[float]) -> list[SettingCell]:
    """A cell for each combination; the function gives its value, or one for each seed."""
    cells = []
    for levels in itertools.product(*axes.values()):
        values = function(*levels)
        values = tuple(values) if isinstance(values, Sequence) else (values,)
        cells.append(SettingCell(settings=dict(zip(axes, levels, strict=True)), values=values))
    return cells


def shares(found: Importance) -> dict[tuple[str, ...], float]:
    return {effect.axes: effect.share for effect in found.effects}


def test_a_sum_has_main_effects_only() -> None:
    a, b, c = [0.0, 1.0, 5.0], [2.0, 3.0], [0.0, 0.5, 1.0, 9.0]
    found = importance(grid(lambda x, y, z: x + 2 * y - z, a=a, b=b, c=c), LOSS)
    parts = {("a",): np.var(a), ("b",): 4 * np.var(b), ("c",): np.var(c)}
    whole = sum(parts.values())
    expected = dict.fromkeys([("a", "b"), ("a", "c"), ("b", "c")], 0.0)
    expected |= {axes: part / whole for axes, part in parts.items()}
    assert shares(found) == pytest.approx(expected, abs=1e-12)
    assert found.rest == pytest.approx(0, abs=1e-12)
    assert found.variance == pytest.approx(whole)
    assert found.effects[0].axes == ("c",)


def test_a_product_has_the_interactions_that_algebra_gives() -> None:
    # With m the means and v the variances: v_a m_b^2 m_c^2, v_a v_b m_c^2, v_a v_b v_c.
    a, b, c = [1.0, 2.0, 4.0], [0.5, 3.0], [1.0, 1.5]
    found = importance(grid(lambda x, y, z: x * y * z, a=a, b=b, c=c), LOSS)
    mean = {"a": np.mean(a), "b": np.mean(b), "c": np.mean(c)}
    variance = {"a": np.var(a), "b": np.var(b), "c": np.var(c)}
    whole = found.variance
    for axes, share in shares(found).items():
        part = math.prod(variance[axis] if axis in axes else mean[axis] ** 2 for axis in mean)
        assert share == pytest.approx(part / whole), axes
    assert found.rest == pytest.approx(math.prod(variance.values()) / whole)


def test_an_interaction_of_three_axes_is_the_rest() -> None:
    found = importance(grid(lambda x, y, z: x * y * z, a=[-1, 1], b=[-1, 1], c=[-1, 1]), LOSS)
    assert set(shares(found).values()) == {0.0}
    assert found.rest == 1.0


@given(st.lists(st.floats(-5, 5), min_size=12, max_size=12), st.floats(0.1, 10), st.floats(-5, 5))
def test_shares_add_up_to_one_and_do_not_depend_on_the_scale(
    values: list[float], factor: float, shift: float
) -> None:
    def cells(change: Callable[[float], float]) -> list[SettingCell]:
        numbers = iter(values)
        return grid(lambda *_: change(next(numbers)), a=[1, 2, 3], b=[1, 2], c=[1, 2])

    found = importance(cells(lambda value: value), LOSS)
    if found.variance > 1e-6:
        assert sum(effect.share for effect in found.effects) + found.rest == pytest.approx(1)
        moved = importance(cells(lambda value: factor * value + shift), LOSS)
        assert shares(moved) == pytest.approx(shares(found), abs=1e-6)
    backwards = importance(cells(lambda value: value)[::-1], LOSS)
    assert shares(backwards) == pytest.approx(shares(found))


def test_one_axis_with_seeds_is_the_anova_of_scipy() -> None:
    random = np.random.default_rng(1)
    groups = [random.normal(mean, 1, size=4).tolist() for mean in (0.0, 0.5, 1.5)]
    found = importance(grid(lambda x: groups[int(x)], a=[0, 1, 2]), LOSS)
    assert found.effects[0].p == pytest.approx(stats.f_oneway(*groups).pvalue)
    assert found.effects[0].share == 1.0
    assert found.seed_variance == pytest.approx(np.mean([np.var(group, ddof=1) for group in groups]))


def test_two_axes_with_seeds_are_the_anova_of_the_textbook() -> None:
    random = np.random.default_rng(2)
    values = random.normal(size=(3, 2, 5)) + np.array([0.0, 1, 3])[:, None, None]
    found = importance(grid(lambda x, y: values[int(x), int(y)].tolist(), a=[0, 1, 2], b=[0, 1]), LOSS)
    error = ((values - values.mean(axis=2, keepdims=True)) ** 2).sum() / (6 * 4)
    square = 10 * ((values.mean(axis=(1, 2)) - values.mean()) ** 2).sum()
    cells = 5 * ((values.mean(axis=2) - values.mean()) ** 2).sum()
    other = 15 * ((values.mean(axis=(0, 2)) - values.mean()) ** 2).sum()
    ps = {effect.axes: effect.p for effect in found.effects}
    assert ps[("a",)] == pytest.approx(stats.f.sf(square / 2 / error, 2, 24))
    assert ps[("b",)] == pytest.approx(stats.f.sf(other / 1 / error, 1, 24))
    assert ps[("a", "b")] == pytest.approx(stats.f.sf((cells - square - other) / 2 / error, 2, 24))


def test_without_effects_seeds_explain_the_variance() -> None:
    random = np.random.default_rng(3)
    runs = [
        importance(grid(lambda *_: random.normal(size=3).tolist(), a=[1, 2, 3], b=[1, 2, 3, 4]), LOSS)
        for _ in range(400)
    ]
    significant = [effect.p <= 0.05 for found in runs for effect in found.effects if effect.p is not None]
    assert np.mean(significant) == pytest.approx(0.05, abs=3 * math.sqrt(0.05 * 0.95 / len(significant)))
    variances = [found.seed_variance for found in runs if found.seed_variance is not None]
    assert np.mean(variances) == pytest.approx(1, abs=0.05)
    effects = [effect for found in runs for effect in found.effects if effect.axes == ("a",)]
    ratios = [effect.share / effect.noise for effect in effects if effect.noise]
    assert np.mean(ratios) == pytest.approx(1, abs=0.2)


def test_the_share_of_seeds_is_that_of_a_single_runs_variance() -> None:
    random = np.random.default_rng(4)
    cells = grid(lambda x: (3 * x + random.normal(0, 2, size=400)).tolist(), a=[-1, 1])
    assert importance(cells, LOSS).seed_share == pytest.approx(4 / (9 + 4), abs=0.02)
    # What noise is left in the mean of two seeds is not counted a second time.
    few = grid(lambda x, y: (x + random.normal(0, 2, size=2)).tolist(), a=[-1, 1], b=list(range(500)))
    assert importance(few, LOSS).seed_share == pytest.approx(4 / (1 + 4), abs=0.03)


def test_one_seed_per_cell_does_not_separate_chance() -> None:
    found = importance(grid(lambda x, y: x + y, a=[0, 1], b=[0, 2]), LOSS)
    assert (found.seed_share, found.seed_variance, found.effects[0].p) == (None, None, None)
    assert found.sentence == (
        "variance of loss over 4 cells: b 80 %, a 20 %; one seed per cell, so these shares include chance"
    )


def test_equal_seeds_leave_no_chance() -> None:
    found = importance(grid(lambda x, y: [x, x], a=[0, 1], b=[0, 2]), LOSS)
    assert {effect.axes: (effect.noise, effect.p) for effect in found.effects} == {
        ("a",): (0.0, 0.0),
        ("b",): (0.0, 1.0),
        ("a", "b"): (0.0, 1.0),
    }
    assert found.sentence == (
        "variance of loss over 4 cells: a 100 %; seeds make 0 % of the variance of a single run; "
        "not significant: b, a x b"
    )


def test_ranks_allow_failed_runs_and_limit_their_influence() -> None:
    runs = {0: (1.0, 1.1), 1: (2.0, 2.1), 2: (3.0, None)}
    cells = [SettingCell(settings={"a": a, "b": b}, values=runs[a]) for a in runs for b in (0, 1)]
    with pytest.raises(UserError, match=r"Got a failed run at a=2 b=0\. Nearest: scale='rank'"):
        importance(cells, LOSS)
    found = importance(cells, LOSS, scale="rank")
    assert shares(found)[("a",)] == pytest.approx(1)
    assert "ranks of loss" in found.sentence
    # As ranks: 1.5, 3.5, 5.5, 7.5, 9.5, 11.5 whatever the largest value is.
    large = [
        SettingCell(settings=cell.settings, values=tuple(9e9 if v is None else v for v in cell.values))
        for cell in cells
    ]
    assert importance(large, LOSS, scale="rank") == found
    flipped = [
        SettingCell(settings=c.settings, values=tuple(v if v is None else -v for v in c.values))
        for c in cells
    ]
    assert shares(importance(flipped, ACCURACY, scale="rank")) == pytest.approx(shares(found), abs=1e-12)
    assert importance(large, LOSS).effects[0].noise != found.effects[0].noise


def test_equal_cells_have_no_variance() -> None:
    found = importance(grid(lambda *_: 0.1 + 0.2, a=[0, 1], b=[0, 1]), LOSS)
    assert (found.effects, found.rest, found.variance) == ((), 0.0, 0.0)
    assert found.sentence == "all 4 cells have the same loss"


def test_an_axis_of_one_value_is_left_out() -> None:
    found = importance(grid(lambda x, y: x, a=[0, 1], b=[7]), LOSS)
    assert shares(found) == {("a",): 1.0}


def test_an_incomplete_grid_is_refused_and_its_gaps_are_named() -> None:
    cells = grid(lambda x, y: x + y, lr=[0.1, 0.2], layers=[1, 2, 3])
    assert missing(cells) == []
    assert missing(cells[1:]) == [{"lr": 0.1, "layers": 1}]
    with pytest.raises(UserError, match=r"Got 5 of 6 cells; the first missing cell: lr=0.1 layers=1\."):
        importance(cells[1:], LOSS)
    with pytest.raises(UserError, match=r"Got 'lr=0.2 layers=3' again"):
        importance([*cells, cells[-1]], LOSS)
    with pytest.raises(UserError, match=r"must have the settings lr, layers\. Got 'lr=0.1'"):
        importance([*cells, SettingCell(settings={"lr": 0.1}, values=(1.0,))], LOSS)
    with pytest.raises(UserError, match="at least one cell"):
        importance([], LOSS)
    with pytest.raises(UserError, match="must have two values"):
        importance(cells[:1], LOSS)
    with pytest.raises(UserError, match="Got none at lr=1"):
        SettingCell(settings={"lr": 1}, values=())
    with pytest.raises(UserError, match="value at lr=1 must be finite"):
        SettingCell(settings={"lr": 1}, values=(math.nan,))
