"""Cells of a grid of settings, with their values. Legend: a cell is one combination of the axes' values."""

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
from seqlab.stats.ties import mean_ranks

Level = str | int | float | bool | None
_LARGEST = 2.0**500
"""Size up to which the variance of values is a float."""


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
                "Every cell must have the value of at least one seed. "
                f"Got none at {format_levels(self.settings)}."
            )
        for value in self.values:
            check_value(value, f"The value at {format_levels(self.settings)}")


def missing(cells: Sequence[SettingCell]) -> list[dict[str, Level]]:
    """The combinations of the axes' values that no cell has; [] where the grid is complete.

    Raises:
        UserError: no cells, or cells with different axes.
    """
    axes = _levels(cells)
    present = {tuple(cell.settings[axis] for axis in axes) for cell in cells}
    return [
        dict(zip(axes, combination, strict=True))
        for combination in itertools.product(*axes.values())
        if combination not in present
    ]


def format_levels(settings: Mapping[str, Level]) -> str:
    """Settings in the form `axis=value`.

    >>> format_levels({"learning_rate": 0.1, "layers": 2})
    'learning_rate=0.1 layers=2'
    """
    return " ".join(f"{axis}={level}" for axis, level in settings.items())


def _levels(cells: Sequence[SettingCell]) -> dict[str, list[Level]]:
    """Axes with their values, in order of appearance."""
    if not cells:
        raise UserError("There must be at least one cell. Got none.")
    names = list(cells[0].settings)
    for cell in cells:
        if set(cell.settings) != set(names):
            raise UserError(
                f"Every cell must have the settings {', '.join(names)}. Got {format_levels(cell.settings)!r}."
            )
    return {name: list(dict.fromkeys(cell.settings[name] for cell in cells)) for name in names}


def varying_axes(cells: Sequence[SettingCell]) -> dict[str, list[Level]]:
    """The axes with at least two values.

    Raises:
        UserError: no cells, cells with different axes, or no such axis.
    """
    levels = _levels(cells)
    axes = {name: values for name, values in levels.items() if len(values) > 1}
    if not axes:
        raise UserError(
            f"At least one setting must have two values. Got one cell, {format_levels(cells[0].settings)!r}."
        )
    return axes


def check_complete(cells: Sequence[SettingCell], axes: Mapping[str, list[Level]]) -> None:
    """Make sure that every combination of the axes' values has exactly one cell.

    Raises:
        UserError: a combination is missing, or comes twice.
    """
    gaps = missing(cells)
    if gaps:
        raise UserError(
            f"The grid must be complete. Got {len(cells)} of {len(cells) + len(gaps)} cells; "
            f"the first missing cell: {format_levels(gaps[0])}."
        )
    seen: set[tuple[int, ...]] = set()
    for cell in cells:
        index = index_of(cell, axes)
        if index in seen:
            raise UserError(
                f"Every cell must come once, with all its seeds. Got {format_levels(cell.settings)!r} again."
            )
        seen.add(index)


def index_of(cell: SettingCell, axes: Mapping[str, list[Level]]) -> tuple[int, ...]:
    """The cell's index along each axis."""
    return tuple(levels.index(cell.settings[name]) for name, levels in axes.items())


def needs_ranks(cells: Sequence[SettingCell]) -> bool:
    """Whether a value is censored, or too large for a variance that a float holds."""
    return any(value is None or abs(value) > _LARGEST for cell in cells for value in cell.values)


def scaled(
    cells: Sequence[SettingCell], metric: MetricSpec, scale: Literal["value", "rank"]
) -> list[NDArray[np.float64]]:
    """The values of each cell's runs, unchanged or as ranks among all runs.

    Raises:
        UserError: a censored value, or one without a variance, without ranks.
    """
    if scale == "value" and needs_ranks(cells):
        cell = next(cell for cell in cells if needs_ranks([cell]))
        got = "a failed run" if None in cell.values else f"{max(cell.values, key=abs)!r}"  # pyright: ignore
        raise UserError(
            f"Values must be known, and at most {_LARGEST:.0e} in size. "
            f"Got {got} at {format_levels(cell.settings)}. Nearest: scale='rank'."
        )
    # Infinite values rank last on the worse side, whatever the scale of the others.
    worse = -math.inf if metric.better == "higher" else math.inf
    runs = [np.array([worse if value is None else value for value in cell.values]) for cell in cells]
    if scale == "value":
        return runs
    return np.split(mean_ranks(np.concatenate(runs)), np.cumsum([len(values) for values in runs])[:-1])
