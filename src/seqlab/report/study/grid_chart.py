"""The chart of a grid of settings: a heat map whose cells without a value show how their runs ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from seqlab.report.charts.chart_style import GREY, layered, over_rows, top_axis
from seqlab.report.study.seeds_figure import CROSS

BEST_FRAME, OVERALL_FRAME = "#f59e0b", "#dc2626"
"""Colours of the frames around the best cell of each row, and the best of a heat map; visible on light and
dark cells."""
DIVERGED = "#b91c1c"
"""Colour of cells whose run diverged."""
STROKE = "M-0.5,0.5L0.5,-0.5"
"""An SVG path: what fills the cells of a run that its settings stopped."""


@dataclass(frozen=True)
class ChartAxis:
    """An axis of a heat map: its values in order, from the top or the left, and its title."""

    values: Sequence[str]
    title: str | None


def grid_chart(down: ChartAxis, across: ChartAxis, metric: str) -> dict[str, Any]:
    """The chart of a heat map, without its data; `metric` is what the values are medians of."""
    base = over_rows().encode(
        x=alt.X("across:N", sort=[*across.values], title=across.title, axis=top_axis([*across.values])),
        y=alt.Y(
            "down:N",
            sort=[*down.values],
            title=down.title,
            axis=alt.Axis(ticks=False, domain=False),
        ),
        tooltip=[
            "architecture:N",
            alt.Tooltip("setting:N"),
            alt.Tooltip("value:Q", title=f"median {metric}", format=",.6~g"),
            alt.Tooltip("why:N", title="no value because"),
        ],
    )
    return layered(*_layers(base, len(across.values)), height=max(90, 34 * len(down.values)))


def _layers(base: alt.Chart, columns: int) -> list[alt.Chart]:
    """Shaded cells with their numbers, the best framed, those without a value marked by how runs ended."""
    known = base.transform_filter("isValid(datum.value)")
    best = known.transform_filter("datum.best === 'yes'")
    overall = known.transform_filter("datum.overall === 'yes'")
    others = known.transform_filter("datum.best !== 'yes'")
    shade = alt.Color("depth:Q", legend=None, scale=alt.Scale(scheme="blues", domain=[-0.15, 1.1]))
    text_colour = alt.condition("datum.depth > 0.55", alt.value("white"), alt.value("#0b2545"))
    # The numbers shrink with their cells, so that they fit on a narrow page.
    size = alt.ExprRef(f"max(7, min(13, width / {max(columns, 1)} / 3.4))")
    return [
        known.mark_rect(stroke="white", strokeWidth=1).encode(color=shade),
        *_without_value(base, "stopped", GREY, STROKE, size),
        *_without_value(base, "diverged", DIVERGED, CROSS, size),
        *_without_value(base, "other", GREY, CROSS, size),
        best.mark_rect(fillOpacity=0, stroke=BEST_FRAME, strokeWidth=3),
        overall.mark_rect(fillOpacity=0, stroke=OVERALL_FRAME, strokeWidth=4),
        others.mark_text(fontSize=size).encode(text="text:N", color=text_colour),
        best.mark_text(fontSize=size, fontWeight="bold").encode(text="text:N", color=text_colour),
    ]


def _without_value(
    base: alt.Chart, ending: str, colour: str, path: str, size: alt.ExprRef
) -> list[alt.Chart]:
    """Pale cells with a mark; the first one of a row has the epoch of its end instead."""
    cells = base.transform_filter(f"datum.ending === '{ending}'")
    marked = cells.transform_filter("datum.text === ''")
    first = cells.transform_filter("datum.text !== ''")
    return [
        cells.mark_rect(stroke=colour, strokeWidth=1, strokeDash=[3, 2], fill=colour, fillOpacity=0.12),
        marked.mark_point(shape=path, size=110, stroke=colour, strokeWidth=1.5),
        first.mark_text(fontSize=size, fontStyle="italic", color=colour).encode(text="text:N"),
    ]
