"""Which hyper-parameter mattered: the functional ANOVA of a complete grid."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from seqlab.schema.errors import UserError
from seqlab.schema.metric_spec import MetricSpec
from seqlab.stats.censored import check_value

Level = str | int | float | bool | None
_ROUNDING = 1e-12
_CHANCE = 0.05


@dataclass(frozen=True, kw_only=True)
class SettingCell:
    """One cell of a grid.

    settings: a value for each axis, e.g. {"learning_rate": 0.1, "layers": 2}.
    values: one for each seed, in the metric's unit; None where censored.
    """

    settings: Mapping[str, Level]
    values: tuple[float | None, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise UserError(
                f"Every cell must have the value of at least one seed. Got none at {said(self.settings)}."
            )
        for value in self.values:
            check_value(value, f"The value at {said(self.settings)}")


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What one axis, or the interaction of two, explains.

    share: of the variance of the cells' means, a fraction.
    noise: the share that differences between seeds alone would be expected to give.
    p: of the F test against the variance between seeds (Fisher 1925), which supposes that this is about
        normal and about equal everywhere.

    Both are None where no cell has two seeds.
    """

    axes: tuple[str, ...]
    share: float
    noise: float | None
    p: float | None

    @property
    def name(self) -> str:
        """Its axes, as they are said."""
        return " x ".join(self.axes)


@dataclass(frozen=True, kw_only=True)
class Importance:
    """The variance over a grid, divided among its axes; the largest effect first.

    effects: main effects and pairs. `rest`: interactions of three axes and more, a fraction like theirs;
        all together come to 1, or to 0 where all cells are equal.
    variance: of the cells' means, in the metric's unit squared (ranks squared on ranks).
    seed_variance: of single runs within a cell, pooled; None where no cell has two seeds.
    seed_share: of the variance of a single run, what is due to its seed, a fraction.
    ranks: whether values were replaced by their ranks.
    estimated: whether a forest stands for the settings that were not tried; exact otherwise.
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
    def reading(self) -> str:
        """One sentence."""
        if self.variance == 0:
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
            return "one seed a cell, so chance is among these shares"
        words = f"seeds make {100 * self.seed_share:.0f} % of the variance of a single run"
        by_chance = [effect.name for effect in self.effects if effect.p is not None and effect.p > _CHANCE]
        return words + (f"; not told from chance: {', '.join(by_chance)}" if by_chance else "")


def importance(
    cells: Sequence[SettingCell], metric: MetricSpec, *, scale: Literal["value", "rank"] = "value"
) -> Importance:
    """Divide the variance over a complete grid among its axes and their pairs.

    The functional ANOVA (Hooker 2007; for hyper-parameters Hutter, Hoos and Leyton-Brown 2014), on the
    grid itself and so exact, where that paper marginalises a random forest fitted to it. With m the mean
    of all cells and m_i the means over all other axes, axis i explains V_i = Var(m_i), a pair
    V_ij = Var(m_ij) - V_i - V_j, what is left is of higher interactions; all cells weigh the same.

    Seeds are replicates: a cell's value is their mean. The variance within cells says what part of the
    shares is chance: if nothing mattered, an effect of d degrees of freedom would be expected to get d/N of
    the variance of a cell's mean, N being the number of cells. Axes with one value are left out.

    Args:
        cells: every combination of the axes' values once.
        metric: what the values are.
        scale: "rank" replaces the values of all runs by their ranks (Conover and Iman 1981), equal ones
            sharing their mean rank and censored ones behind all others, so that a few runs that diverge do
            not decide everything; censored values need it.

    Raises:
        UserError: the grid is not complete, a cell comes twice, axes differ, fewer than two values of
            every axis, or censored values without ranks.
    """
    axes = _axes(cells)
    _check_complete(cells, axes)
    runs = scaled(cells, metric, scale)
    means = np.empty([len(levels) for levels in axes.values()])
    for cell, values in zip(cells, runs, strict=True):
        means[_place(cell, axes)] = values.mean()
    alike = np.ptp(means) <= _ROUNDING * np.abs(means).max()
    variance = 0.0 if alike else float(means.var())
    noise = _noise(runs)
    parts = _parts(means) if variance else {}
    rest = 1 - sum(parts.values()) / variance if variance else 0.0
    effects = [_effect(kept, part, list(axes), means, noise) for kept, part in parts.items()]
    effects.sort(key=lambda effect: (-effect.share, len(effect.axes), effect.axes))
    return Importance(
        metric=metric,
        effects=tuple(effects),
        rest=rest if rest > _ROUNDING else 0.0,
        cells=len(cells),
        variance=variance,
        seed_variance=noise and noise.of_run,
        seed_share=noise and noise.share(variance),
        ranks=scale == "rank",
    )


def missing(cells: Sequence[SettingCell]) -> list[dict[str, Level]]:
    """The combinations of the axes' values that no cell has; [] where the grid is complete.

    Raises:
        UserError: no cells, or cells of unlike axes.
    """
    axes = _levels(cells)
    present = {tuple(cell.settings[axis] for axis in axes) for cell in cells}
    return [
        dict(zip(axes, place, strict=True))
        for place in itertools.product(*axes.values())
        if place not in present
    ]


def said(settings: Mapping[str, Level]) -> str:
    """Settings as one types them.

    >>> said({"learning_rate": 0.1, "layers": 2})
    'learning_rate=0.1 layers=2'
    """
    return " ".join(f"{axis}={level}" for axis, level in settings.items())


def _levels(cells: Sequence[SettingCell]) -> dict[str, list[Level]]:
    """Axes with their values, in the order in which they come."""
    if not cells:
        raise UserError("There must be at least one cell. Got none.")
    names = list(cells[0].settings)
    for cell in cells:
        if set(cell.settings) != set(names):
            raise UserError(
                f"Every cell must have the settings {', '.join(names)}. Got {said(cell.settings)!r}."
            )
    return {name: list(dict.fromkeys(cell.settings[name] for cell in cells)) for name in names}


def _axes(cells: Sequence[SettingCell]) -> dict[str, list[Level]]:
    """Those of at least two values."""
    levels = _levels(cells)
    axes = {name: values for name, values in levels.items() if len(values) > 1}
    if not axes:
        raise UserError(
            f"At least one setting must have two values. Got one cell, {said(cells[0].settings)!r}."
        )
    return axes


def _check_complete(cells: Sequence[SettingCell], axes: Mapping[str, list[Level]]) -> None:
    gaps = missing(cells)
    if gaps:
        raise UserError(
            f"The grid must be complete. Got {len(cells)} of {len(cells) + len(gaps)} cells; "
            f"the first one missing: {said(gaps[0])}."
        )
    seen: set[tuple[int, ...]] = set()
    for cell in cells:
        place = _place(cell, axes)
        if place in seen:
            raise UserError(
                f"Every cell must come once, with all its seeds. Got {said(cell.settings)!r} again."
            )
        seen.add(place)


def _place(cell: SettingCell, axes: Mapping[str, list[Level]]) -> tuple[int, ...]:
    return tuple(levels.index(cell.settings[name]) for name, levels in axes.items())


def scaled(
    cells: Sequence[SettingCell], metric: MetricSpec, scale: Literal["value", "rank"]
) -> list[NDArray[np.float64]]:
    """The runs of each cell, as they are or as ranks among all runs.

    Raises:
        UserError: a censored value without ranks.
    """
    worse = -math.inf if metric.better == "higher" else math.inf
    runs = [np.array([worse if value is None else value for value in cell.values]) for cell in cells]
    together = np.concatenate(runs)
    if scale == "value":
        if not np.isfinite(together).all():
            cell = next(cell for cell in cells if None in cell.values)
            raise UserError(
                f"Values must be known. Got a failed run at {said(cell.settings)}. Nearest: scale='rank'."
            )
        return runs
    _, places, counts = np.unique(together, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    return np.split(ranks, np.cumsum([len(values) for values in runs])[:-1])


def _parts(means: NDArray[np.float64]) -> dict[tuple[int, ...], float]:
    """The variance of each main effect and each pair, by the axes' places."""
    every = range(means.ndim)

    def marginal(kept: tuple[int, ...]) -> float:
        return float(means.mean(axis=tuple(axis for axis in every if axis not in kept)).var())

    found: dict[tuple[int, ...], float] = {(axis,): marginal((axis,)) for axis in every}
    for pair in itertools.combinations(every, 2):
        found[pair] = max(0.0, marginal(pair) - found[pair[:1]] - found[pair[1:]])
    return found


@dataclass(frozen=True)
class _Noise:
    """The variance between seeds: of one run, of a cell's mean, and its degrees of freedom."""

    of_run: float
    of_mean: float
    freedom: int

    def share(self, variance: float) -> float:
        """Of a run's variance, given that of the cells' means, which holds some of the noise."""
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
