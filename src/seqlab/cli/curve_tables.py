"""Recorded curves on a terminal, next to each other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from seqlab.cli.console import print_line, print_table

_ERROR, _TARGETS = "_standard_error", "targets"
_TITLES = (
    (re.compile(r".*_targets"), _TARGETS),
    (re.compile(r"mean_gradient_through_time_layer_(\d+)"), r"layer \1, norm of mean"),
    (re.compile(r"gradient_through_time_layer_(\d+)"), r"layer \1, mean of norms"),
    (re.compile(r"(teacher|free)_(forced|running)_loss_per_position"), r"\1-\2 loss"),
    (re.compile(r"loss_per_position"), "loss"),
)
"""Names of curves whose table says the rest."""


def print_curves(curves: Sequence[dict[str, Any]]) -> None:
    """Print curves over one axis, at its start and at every doubling; values with their standard errors."""
    axis = sorted({x for curve in curves for x in curve["x"]})
    # Of a number that is a power of two, all bits but one are 0.
    shown = [x for index, x in enumerate(axis) if index & (index - 1) == 0 or x == axis[-1]]
    values = {curve["name"]: dict(zip(curve["x"], curve["y"], strict=True)) for curve in curves}
    columns: dict[str, list[str]] = {}
    for name, by_x in values.items():
        if not name.endswith(_ERROR):
            # Curves over the same targets have one column of their numbers.
            columns[_title(name)] = [_cell(by_x, values.get(name + _ERROR, {}), x) for x in shown]
    if _TARGETS in columns:
        columns[_TARGETS] = columns.pop(_TARGETS)
    title = curves[0]["x_unit"]
    print_line("")
    if title.startswith("position "):
        print_line(f"over the {title}, ± standard error")
        title = "position"
    rows = zip([f"{x:g}" for x in shown], *columns.values(), strict=True)
    print_table([title, *columns], [list(row) for row in rows])


def _title(name: str) -> str:
    for pattern, title in _TITLES:
        if match := pattern.fullmatch(name):
            return match.expand(title)
    return name.replace("_", " ")


def _cell(by_x: dict[float, float], errors: dict[float, float], x: float) -> str:
    if x not in by_x:
        return ""
    # Where all targets have the same loss, rounding leaves an error of 1e-17.
    return f"{by_x[x]:.4g} ± {round(errors[x], 12):.2g}" if x in errors else f"{by_x[x]:.4g}"
