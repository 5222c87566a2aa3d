"""Charts of learning curves, one for each horizontal axis."""

from __future__ import annotations

from typing import Any

import altair as alt

from seqlab.report.charts.chart_style import GREY, HEIGHT, baseline_rules, layered, over_rows
from seqlab.report.charts.curve_points import AXES
from seqlab.report.charts.palette import Palette, points
from seqlab.report.charts.recorded_number import OPTIMIZER_MEDIAN, RecordedNumber

Layers = list[alt.Chart]


def charts_over_axes(
    number: RecordedNumber,
    palette: Palette,
    scale: alt.Scale,
    *,
    many: bool,
    median: str,
    height: int = HEIGHT,
) -> dict[str, dict[str, Any]]:
    """A chart for each axis on which some row has a value.

    Args:
        number: what is drawn.
        palette: of the runs.
        scale: of the vertical axis.
        many: whether runs are faint lines, under medians.
        median: the kind of the rows that hold the medians.
        height: of a chart, in pixels.
    """
    charts: dict[str, dict[str, Any]] = {}
    for axis in AXES:
        if any(row[axis] is not None for row in number.rows):
            base = _base(number, palette, axis, scale, height)
            lines = (
                _faint_lines(number, base, palette, axis, median)
                if many
                else _lines(number, base, palette, axis)
            )
            baselines = baseline_rules("y") if number.rules else []
            charts[axis] = layered(*lines, *baselines, height=height, zoom=("x", "y"))
    return charts


def _base(number: RecordedNumber, palette: Palette, axis: str, scale: alt.Scale, height: int) -> alt.Chart:
    ticks = 8 if height == HEIGHT else 5
    return over_rows().encode(
        x=alt.X(
            axis,
            type="quantitative",
            title=AXES[axis],
            # Padded, so that the last point is whole, which is cut at the edge where the chart can be moved.
            scale=alt.Scale(zero=True, nice=False, padding=6),
            axis=alt.Axis(tickCount=ticks, labelOverlap=True, labelFlush=True),
        ),
        y=alt.Y(
            "value",
            type="quantitative",
            title=number.axis_title,
            scale=scale,
            axis=alt.Axis(tickCount=6, labelOverlap=True),
        ),
        color=palette.colour,
        tooltip=[
            alt.Tooltip("label:N", title="model"),
            alt.Tooltip("run:N", title="run"),
            alt.Tooltip("split:N"),
            alt.Tooltip(axis, type="quantitative", title=AXES[axis], format=","),
            alt.Tooltip("value:Q", title=", ".join(number.axis_title), format=",.6~g"),
        ],
    )


def _lines(number: RecordedNumber, base: alt.Chart, palette: Palette, axis: str) -> Layers:
    """Each run on its own: a thin line of training, a line with points of validation."""
    layers: Layers = []
    dash = palette.dash if palette.dashed else alt.Undefined
    if "train" in number.splits:
        width, opacity = (1.2, 0.65) if len(number.splits) > 1 else (1.6, 0.9)
        train = _select(base, axis, "run", "train").encode(detail="run:N", strokeDash=dash)
        layers.append(train.mark_line(strokeWidth=width, opacity=opacity))
        if number.has_single_point("train"):
            layers.append(train.mark_point(filled=True, size=30, opacity=1))
    if number.scored_split:
        scored = _select(base, axis, "run", number.scored_split)
        lines = scored.encode(detail="run:N", strokeDash=dash).mark_line(strokeWidth=2.2)
        layers += [lines, points(scored, palette)]
    return layers


def _faint_lines(number: RecordedNumber, base: alt.Chart, palette: Palette, axis: str, median: str) -> Layers:
    """All runs as faint lines under the medians of their groups."""
    split = number.scored_split or "train"
    runs = _select(base, axis, "run", split).encode(detail="run:N")
    layers = [runs.mark_line(strokeWidth=1, opacity=0.3)]
    for which in number.splits:
        # Training, where it is not the only split, is the thin line.
        width = 1.2 if which != split else 3
        medians = _select(base, axis, median, which)
        if median == OPTIMIZER_MEDIAN:
            # An optimizer has runs of several architectures, so none of their colours.
            medians = medians.encode(color=alt.value(GREY))
        elif palette.dashed:
            medians = medians.encode(strokeDash=palette.dash)
        layers.append(medians.mark_line(strokeWidth=width))
    return layers


def _select(base: alt.Chart, axis: str, kind: str, split: str) -> alt.Chart:
    """The rows of one kind and split that have a value on the axis."""
    condition = f"datum.kind === '{kind}' && datum.split === '{split}' && isValid(datum.{axis})"
    return base.transform_filter(condition)
