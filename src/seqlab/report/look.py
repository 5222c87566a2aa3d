"""What all charts share: a figure's parts, colours and shapes of runs, axes, fonts."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from seqlab.report.comparing import Entry
from seqlab.report.tables import Cell, Column, Table

HEIGHT = 280
WIDTH = 640
"""Of a chart in a file; on a page a chart is as wide as its place."""
WIDE_RANGE = 20
"""Largest value over the median from which an axis is logarithmic: else most of a line lies at the bottom."""
QUIET, GRID = "#4b5563", "#dfe3e8"
"""Colours of words and lines around a chart in a file; a page has its own, for light and dark."""
Row = dict[str, Cell]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure: Vega-Lite charts without their data, the data, and the heads of its columns."""

    name: str
    caption: str
    charts: dict[str, dict[str, Any]]
    """By field of the horizontal axis; "" where there is but one."""
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]

    @property
    def table(self) -> Table:
        """What the figure shows, in numbers."""
        keys = list(self.rows[0])
        return Table(
            name=f"data of {self.name}",
            caption=f"What the figure shows: {self.name}.",
            columns=self.columns,
            rows=tuple(tuple(row[key] for key in keys) for row in self.rows),
        )


def over_rows() -> alt.Chart:
    """A chart of the figure's rows, which stand beside it."""
    return alt.Chart(alt.NamedData("rows"))


def scale(rows: Sequence[Row]) -> alt.Scale:
    """An axis that shows the rows' values well: logarithmic where few of them are far above the others."""
    values = [float(row["value"] or 0) for row in rows]
    lowest, highest = min(values), max(values)
    if lowest == highest and highest > 0:
        return alt.Scale(domain=[0, 2 * highest])
    if lowest > 0 and highest / statistics.median(values) > WIDE_RANGE:
        return alt.Scale(type="log")
    return alt.Scale(zero=False, nice=True)


def _first_of_each(entries: Sequence[Entry]) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for entry in entries:
        found.setdefault(entry.label, entry)
    return found


def colours(entries: Sequence[Entry]) -> alt.Color:
    """Each run in its colour, with a legend where there are several."""
    styles = _first_of_each(entries)
    scale = alt.Scale(domain=list(styles), range=[entry.colour for entry in styles.values()])
    return alt.Color("label:N", scale=scale, legend=_legend(entries))


def _legend(entries: Sequence[Entry]) -> alt.Legend | None:
    if len(_first_of_each(entries)) < 2:
        return None
    return alt.Legend(title=None, orient="top", direction="horizontal", symbolOpacity=1, labelLimit=320)


def marked(chart: alt.Chart, entries: Sequence[Entry]) -> alt.Chart:
    """The chart with points in the shapes of the runs."""
    styles = _first_of_each(entries)
    shapes = alt.Scale(domain=list(styles), range=[entry.shape for entry in styles.values()])
    return chart.mark_point(filled=True, size=52, opacity=1).encode(
        shape=alt.Shape("label:N", scale=shapes, legend=_legend(entries))
    )


def finished(*layers: alt.Chart, height: int = HEIGHT) -> dict[str, Any]:
    """The layers as one Vega-Lite chart, with the look of all."""
    words = {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal"}
    config = {
        "view": {"strokeOpacity": 0},
        "axis": {
            **words,
            "labelColor": QUIET,
            "titleColor": QUIET,
            "titlePadding": 10,
            "gridColor": GRID,
            "domainColor": QUIET,
            "tickColor": QUIET,
        },
        "legend": {**words, "labelColor": QUIET, "titleColor": QUIET, "columns": 2},
    }
    return {**alt.layer(*layers).properties(width=WIDTH, height=height).to_dict(), "config": config}
