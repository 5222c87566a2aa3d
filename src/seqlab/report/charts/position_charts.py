"""The loss at each position of a text or window, with its standard error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import altair as alt

from seqlab.report.chapters import Chapter, Entry
from seqlab.report.charts.chart_style import column_values, layered, over_rows, value_scale
from seqlab.report.charts.figure import Figure, Row
from seqlab.report.charts.palette import Palette, run_palette
from seqlab.report.position_losses import PositionLosses, position_losses
from seqlab.report.run_data import FINAL
from seqlab.report.tables import ReportColumn, split_title
from seqlab.runs.cards import FEW_TARGETS, FREE_RUNNING, TEACHER_FORCED, CurveTable
from seqlab.schema.records import Curve

Measured = tuple[Entry, PositionLosses]
MODES = {"teacher-forced": TEACHER_FORCED, "free-running": FREE_RUNNING}
"""What the model reads, and the beginning of the names of the curves."""


def position_figures(chapter: Chapter) -> list[Figure]:
    """One figure for each split and each kind of window, with a line for each run: its last measurement."""
    found: dict[tuple[str, str], list[Measured]] = {}
    for entry in chapter.entries:
        for (split, axis), losses in _last(entry).items():
            found.setdefault((split, axis), []).append((entry, losses))
    figures = [_figure(chapter, split, measured) for (split, _), measured in found.items()]
    return [figure for figure in figures if figure.rows]


def _last(entry: Entry, prefix: str = "") -> dict[tuple[str, str], PositionLosses]:
    """By split and axis; cards also have what was measured before a run was finished."""
    curves: dict[tuple[str, str], dict[str, CurveTable]] = {}
    for record, _ in entry.run.records:
        if isinstance(record, Curve):
            table = CurveTable(x=record.x, y=record.y, x_unit=record.x_unit, y_unit=record.y_unit)
            curves.setdefault((record.split, record.x_unit), {})[record.name.removeprefix(FINAL)] = table
    for split, card in entry.run.cards.items():
        for name, table in card["curves"].items():
            curves.setdefault((split, table["x_unit"]), {})[name] = table
    read = {key: position_losses(by_name, prefix) for key, by_name in curves.items()}
    return {key: losses for key, losses in read.items() if losses is not None}


def free_running_figures(chapter: Chapter) -> list[Figure]:
    """The same with two lines for each run, teacher-forced and free-running over the same targets."""
    found: dict[tuple[str, str], list[tuple[str, Measured]]] = {}
    for entry in chapter.entries:
        for mode, prefix in MODES.items():
            for key, losses in _last(entry, prefix).items():
                found.setdefault(key, []).append((mode, (entry, losses)))
    figures = [_free_running(chapter, split, measured) for (split, _), measured in found.items()]
    return [figure for figure in figures if figure.rows]


def _free_running(chapter: Chapter, split: str, measured: Sequence[tuple[str, Measured]]) -> Figure:
    single = _figure(chapter, split, [each for _, each in measured])
    rows = tuple({**row, "mode": mode} for mode, each in measured for row in _rows(*each))
    if not rows:
        return single
    losses = measured[0][1][1]
    legend = alt.Legend(title=None, orient="top", direction="horizontal", symbolStrokeWidth=2.5)
    scale = alt.Scale(domain=list(MODES), range=[[5, 3], [1, 0]])
    dash = alt.StrokeDash("mode:N", scale=scale, legend=legend)
    layers = _layers(losses, rows, run_palette(chapter))
    band, line = (one.encode(detail=["run:N", "mode:N"]) for one in layers)
    return replace(
        single,
        name=f"free-running loss on {chapter.title}, {split}, {losses.axis}",
        caption=f"Teacher-forced and free-running loss of the same tokens, {losses.unit}, over the "
        f"{losses.axis}; {split_title(split)} of {chapter.title}. Teacher-forced: the model reads the true "
        "tokens before. Free-running: it reads tokens that it has drawn itself after the first input, and is "
        "scored on the true ones. Bands: one standard error. Positions with fewer than "
        f"{FEW_TARGETS} targets are left out.",
        charts={"": layered(band, line.encode(strokeDash=dash))},
        rows=rows,
        keys=("run", "label", "mode", "x", "value", "error", "targets"),
        columns=(*single.columns[:2], ReportColumn("mode"), *single.columns[2:]),
    )


def _figure(chapter: Chapter, split: str, measured: Sequence[Measured]) -> Figure:
    losses, palette = measured[0][1], run_palette(chapter)
    rows = tuple(row for entry, of_run in measured for row in _rows(entry, of_run))
    return Figure(
        name=f"loss per position on {chapter.title}, {split}, {losses.axis}",
        caption=f"Loss per position, {losses.unit}, over the {losses.axis}; {split_title(split)} of "
        f"{chapter.title}. Bands: one standard error. Positions with fewer than {FEW_TARGETS} targets are "
        "left out.",
        charts={"": layered(*_layers(losses, rows, palette))} if rows else {},
        rows=rows,
        keys=("run", "label", "x", "value", "error", "targets"),
        legend=palette.items,
        columns=(
            ReportColumn("run"),
            ReportColumn("model"),
            ReportColumn("position"),
            ReportColumn("loss", losses.unit),
            ReportColumn("standard error", losses.unit),
            ReportColumn("targets"),
        ),
    )


def _rows(entry: Entry, losses: PositionLosses) -> list[Row]:
    run: Row = {"run": entry.number, "label": entry.label, "architecture": entry.architecture}
    rows: list[Row] = []
    for position, loss in losses.losses.items():
        error, targets = losses.errors.get(position, 0.0), losses.targets[position]
        if targets >= FEW_TARGETS:
            ends: Row = {"low": loss - error, "high": loss + error}
            rows.append({**run, "x": position, "value": loss, "error": error, "targets": targets, **ends})
    return rows


def _layers(losses: PositionLosses, rows: Sequence[Row], palette: Palette) -> list[alt.Chart]:
    ends = [*column_values(rows, "low"), *column_values(rows, "high")]
    scale = value_scale(ends)
    base = over_rows().encode(
        x=alt.X("x:Q", title=losses.axis, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=8)),
        y=alt.Y("value:Q", title=["loss per position", losses.unit], scale=scale),
        color=palette.colour,
        detail="run:N",
        tooltip=[alt.Tooltip("label:N", title="model"), "run:N", "x:Q", "value:Q", "error:Q", "targets:Q"],
    )
    band = base.encode(y=alt.Y("low:Q", scale=scale), y2="high:Q").mark_area(opacity=0.15)
    return [band, base.mark_line(strokeWidth=2)]
