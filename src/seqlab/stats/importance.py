"""Importance of hyper-parameters: the functional ANOVA of a complete grid."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from seqlab.schema.metric_spec import MetricSpec
from seqlab.stats.grid import SettingCell, check_complete, index_of, scaled, varying_axes
from seqlab.stats.magnitude import exponent_of

_ROUNDING = 1e-12
_CHANCE = 0.05


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What one axis, or the interaction of two, explains.

    share: of the variance of the cells' means, a fraction.
    noise: the share expected from differences between seeds alone.
    p: of the F test against the variance between seeds (Fisher 1925), which assumes that it is about normal
        and about equal in all cells.

    Both are None where no cell has two seeds.
    """

    axes: tuple[str, ...]
    share: float
    noise: float | None
    p: float | None

    @property
    def name(self) -> str:
        """Its axes, joined."""
        return " x ".join(self.axes)


@dataclass(frozen=True, kw_only=True)
class Importance:
    """The variance over a grid, divided among its axes; the largest effect first.

    effects: main effects and pairs. rest: the share of interactions of three axes and more. All shares add
        up to 1, or to 0 where all cells are equal.
    variance: of the cells' means, in the metric's unit squared (ranks squared on ranks).
    seed_variance: of single runs within a cell, pooled; None where no cell has two seeds.
    seed_share: of the variance of a single run, what is due to its seed, a fraction.
    ranks: whether values were replaced by their ranks.
    estimated: whether a forest predicted the settings that were not tried; exact otherwise.
    """

    metric: MetricSpec
    effects: tuple[Effect, ...]
    rest: float
    cells: int
    variance: float
    seed_variance: float | None
    seed_share: float | None
    ranks: bool
    estimated: bool = False

    @property
    def sentence(self) -> str:
        """All of it in one sentence."""
        if not self.effects:
            return f"all {self.cells} cells have the same {self.metric.name}"
        shown = [
            f"{effect.name} {100 * effect.share:.0f} %" for effect in self.effects if effect.share >= 0.005
        ]
        rest = [f"{self.rest_name} {100 * self.rest:.0f} %"] if round(100 * self.rest) else []
        what = f"variance of {'ranks of ' if self.ranks else ''}{self.metric.name} over {self.cells} cells"
        by = ", estimated by a random forest" if self.estimated else ""
        return f"{what}{by}: {', '.join(shown + rest)}; {self._seeds()}"

    @property
    def rest_name(self) -> str:
        """What `rest` is of."""
        return "interactions" if self.estimated else "higher interactions"

    def _seeds(self) -> str:
        if self.seed_share is None:
            return "one seed per cell, so these shares include chance"
        words = f"seeds make {100 * self.seed_share:.0f} % of the variance of a single run"
        by_chance = [effect.name for effect in self.effects if effect.p is not None and effect.p > _CHANCE]
        return words + (f"; not significant: {', '.join(by_chance)}" if by_chance else "")


def importance(
    cells: Sequence[SettingCell], metric: MetricSpec, *, scale: Literal["value", "rank"] = "value"
) -> Importance:
    """Divide the variance over a complete grid among its axes and their pairs.

    The functional ANOVA (Hooker 2007; for hyper-parameters Hutter, Hoos and Leyton-Brown 2014), on the
    grid itself and therefore exact; that paper marginalises a random forest fitted to it. With m the mean
    of all cells and m_i the means over all other axes, axis i explains V_i = Var(m_i) and a pair
    V_ij = Var(m_ij) - V_i - V_j; the remainder belongs to higher interactions. All cells have equal weight.

    Seeds are replicates: a cell's value is their mean. The variance within cells shows which part of the
    shares is chance: if no setting had an effect, one with d degrees of freedom would be expected to get d/N
    of the variance of a cell's mean, N being the number of cells. Axes with one value are left out.

    Args:
        cells: every combination of the axes' values once.
        metric: of the values.
        scale: "rank" replaces the values of all runs by their ranks (Conover and Iman 1981), ties
            sharing their mean rank and censored values last, so that a few diverged runs do not dominate;
            required where values are censored, or so large that no float holds their variance.

    Raises:
        UserError: the grid is not complete, a cell comes twice, axes differ, no axis has two values, or
            values are censored and not ranked.
    """
    axes = varying_axes(cells)
    check_complete(cells, axes)
    values = scaled(cells, metric, scale)
    # A power of two changes no share, and squares of small numbers would be rounded to 0.
    exponent = exponent_of(np.concatenate(values))
    runs = [np.ldexp(one, -exponent) for one in values]
    means = np.empty([len(levels) for levels in axes.values()])
    for cell, values in zip(cells, runs, strict=True):
        means[index_of(cell, axes)] = values.mean()
    # Rounding alone must not be divided among the axes.
    equal = np.ptp(means) <= _ROUNDING * np.abs(means).max()
    variance = 0.0 if equal else float(means.var())
    noise = _noise(runs)
    parts = _parts(means) if variance else {}
    # What main effects and pairs leave; with two axes it is 0 but for rounding.
    rest = 1 - sum(parts.values()) / variance if variance else 0.0
    effects = [_effect(kept, part, list(axes), means, noise) for kept, part in parts.items()]
    effects.sort(key=lambda effect: (-effect.share, len(effect.axes), effect.axes))
    return Importance(
        metric=metric,
        effects=tuple(effects),
        rest=rest if rest > _ROUNDING else 0.0,
        cells=len(cells),
        variance=math.ldexp(variance, 2 * exponent),
        seed_variance=noise and math.ldexp(noise.of_run, 2 * exponent),
        seed_share=noise and noise.share(variance),
        ranks=scale == "rank",
    )


def _parts(means: NDArray[np.float64]) -> dict[tuple[int, ...], float]:
    """The variance of each main effect and each pair, by the indices of its axes."""
    every = range(means.ndim)

    def marginal(kept: tuple[int, ...]) -> float:
        return float(means.mean(axis=tuple(axis for axis in every if axis not in kept)).var())

    parts: dict[tuple[int, ...], float] = {(axis,): marginal((axis,)) for axis in every}
    for pair in itertools.combinations(every, 2):
        # Rounding can make it slightly negative.
        parts[pair] = max(0.0, marginal(pair) - parts[pair[:1]] - parts[pair[1:]])
    return parts


@dataclass(frozen=True)
class _Noise:
    """The variance between seeds: of a single run and of a cell's mean, with its degrees of freedom."""

    of_run: float
    of_mean: float
    freedom: int

    def share(self, variance: float) -> float:
        """The seeds' share in a run's variance, given that of the cells' means, which includes some noise."""
        # The means vary by their own noise, too, so that is subtracted before adding a run's.
        whole = self.of_run + max(0.0, variance - self.of_mean)
        return self.of_run / whole if whole else 0.0


def _noise(runs: Sequence[NDArray[np.float64]]) -> _Noise | None:
    """Pooled over the cells; None where no cell has two seeds."""
    freedom = sum(len(values) - 1 for values in runs)
    if not freedom:
        return None
    of_run = sum(float(values.var()) * len(values) for values in runs) / freedom
    return _Noise(of_run, of_run * float(np.mean([1 / len(values) for values in runs])), freedom)


def _effect(
    kept: tuple[int, ...], part: float, names: Sequence[str], means: NDArray[np.float64], noise: _Noise | None
) -> Effect:
    variance = float(means.var())
    by_chance = p = None
    if noise is not None:
        from scipy.special import fdtrc

        freedom = math.prod(means.shape[axis] - 1 for axis in kept)
        expected = noise.of_mean * freedom / means.size
        by_chance = expected / variance
        p = (
            float(fdtrc(freedom, noise.freedom, part / expected))
            if expected
            else float(part <= _ROUNDING * variance)
        )
    return Effect(axes=tuple(names[axis] for axis in kept), share=part / variance, noise=by_chance, p=p)
