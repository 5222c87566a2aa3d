"""What all charts share: a figure's parts, colours and shapes, axes, fonts."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import altair as alt

from seqlab.report.run_styles import Style
from seqlab.report.tables import CellValue, ReportColumn, ReportTable

HEIGHT = 280
WIDTH = 640
"""Of a chart in a file; on a page a chart is as wide as its place."""
PANEL = 200
"""Height of one of several charts in a figure."""
WIDE_RANGE = 20
"""Largest value over the median from which an axis is logarithmic: else most of a line lies at the bottom."""
QUIET, GRID = "#4b5563", "#dfe3e8"
"""Colours of words and lines around a chart in a file; a page has its own, for light and dark."""
GREY = "#7d8590"
"""What belongs to no architecture; seen on light and on dark."""
LONG = 1_000
"""Rows of a figure's table up to which all stand on the page."""
Row = dict[str, CellValue]


@dataclass(frozen=True)
class Panel:
    """One of several charts of a figure: it shows the rows with this value in the figure's `by`."""

    title: str
    value: CellValue


@dataclass(frozen=True)
class Key:
    """A line of a legend beside the charts."""

    label: str
    style: Style


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure: Vega-Lite charts without their data, the data, and the heads of its columns.

    charts: by field of the horizontal axis; "" where there is but one.
    rows: what is drawn. keys, columns: the fields that stand in the table, and their heads.
    by, panels: where the same chart is drawn several times, of a part of the rows each; rows with None in
        `by` belong to all of them. `choice`: one panel at a time is seen, which the reader chooses.
    source: name of the figure before it that has the same rows, and the table.
    listed: whether a row stands in the table.
    """

    name: str
    caption: str
    charts: dict[str, dict[str, Any]]
    rows: tuple[Row, ...]
    keys: tuple[str, ...]
    columns: tuple[ReportColumn, ...]
    by: str = ""
    panels: tuple[Panel, ...] = ()
    choice: bool = False
    legend: tuple[Key, ...] = ()
    """What the colours mean."""
    source: str = ""
    listed: Callable[[Row], bool] = bool
    wide: bool = False

    @cached_property
    def table(self) -> ReportTable:
        """What the figure shows, in numbers."""
        return self._table(
            [row for row in self.rows if self.listed(row)], f"What the figure shows: {self.name}."
        )

    @cached_property
    def short_table(self) -> ReportTable:
        """The table as far as a page holds it: of a long one the last row of each line."""
        if len(self.table.rows) <= LONG:
            return self.table
        last = {(row["run"], row.get("split")): row for row in self.rows if self.listed(row)}
        return self._table(
            list(last.values()),
            f"Where the lines of the figure end: {self.name}. All {len(self.table.rows):,} points are in the "
            "files that `--static` writes.",
        )

    def _table(self, rows: Sequence[Row], caption: str) -> ReportTable:
        return ReportTable(
            name=f"data of {self.name}",
            caption=caption,
            columns=self.columns,
            rows=tuple(tuple(row[key] for key in self.keys) for row in rows),
        )

    @property
    def longest(self) -> int:
        """Letters of the longest word in the legend."""
        return max((len(key.label) for key in self.legend), default=0)

    @property
    def height(self) -> int:
        """About the height of a chart with its axes, in pixels."""
        return int(next(iter(self.charts.values()))["height"]) + 60

    def part(self, panel: Panel) -> tuple[Row, ...]:
        """The rows of a panel."""
        return tuple(row for row in self.rows if row[self.by] in (None, panel.value))


def over_rows() -> alt.Chart:
    """A chart of the figure's rows, which stand beside it."""
    return alt.Chart(alt.NamedData("rows"))


def scale(values: Sequence[float], *, fixed: bool = False, room: int = 0) -> alt.Scale:
    """An axis that shows the values well: logarithmic where few of them are far above the others.

    Args:
        values: at least one.
        fixed: whether the ends are said, so that several charts have the same.
        room: pixels beyond the ends, so that points there are whole.
    """
    lowest, highest = min(values), max(values)
    if lowest == highest and highest > 0:
        return alt.Scale(domain=[0, 2 * highest])
    log = lowest > 0 and highest / statistics.median(values) > WIDE_RANGE
    if not fixed:
        padding = alt.Undefined if room == 0 else room
        return alt.Scale(
            type="log" if log else alt.Undefined,
            zero=alt.Undefined if log else False,
            nice=True,
            padding=padding,
        )
    if log:
        return alt.Scale(type="log", domain=[lowest / 1.1, highest * 1.1])
    beyond = 0.05 * (highest - lowest)
    return alt.Scale(domain=[lowest - beyond, highest + beyond], zero=False, nice=True)


def amounts(values: Sequence[float]) -> alt.Scale:
    """An axis for costs: logarithmic where they are far apart."""
    lowest, highest = min(values), max(values)
    if lowest > 0 and highest / lowest > WIDE_RANGE / 2:
        room = (highest / lowest) ** 0.05
        return alt.Scale(type="log", domain=[lowest / room, highest * room], nice=False)
    return alt.Scale(zero=False, nice=True, padding=12)


@dataclass(frozen=True)
class Palette:
    """How values of a field look in a chart: one legend for colours, shapes and dashes together."""

    field: str
    styles: dict[str, Style]
    shown: bool = True

    @property
    def colour(self) -> alt.Color:
        """The encoding of colours."""
        return alt.Color(
            f"{self.field}:N", scale=self._scale([s.colour for s in self._styles]), legend=self._legend
        )

    @property
    def shape(self) -> alt.Shape:
        """The encoding of points' shapes."""
        return alt.Shape(
            f"{self.field}:N", scale=self._scale([s.shape for s in self._styles]), legend=self._legend
        )

    @property
    def dash(self) -> alt.StrokeDash:
        """The encoding of lines' dashes."""
        dashes = [list(style.dash) or [1, 0] for style in self._styles]
        return alt.StrokeDash(f"{self.field}:N", scale=self._scale(dashes), legend=self._legend)

    @property
    def keys(self) -> tuple[Key, ...]:
        """The legend, for beside the charts."""
        return tuple(Key(label, style) for label, style in self.styles.items())

    @property
    def _styles(self) -> list[Style]:
        return list(self.styles.values())

    def _scale(self, found: Sequence[Any]) -> alt.Scale:
        return alt.Scale(domain=list(self.styles), range=list(found))

    @property
    def _legend(self) -> alt.Legend | None:
        if len(self.styles) < 2 or not self.shown:
            return None
        return alt.Legend(
            title=None,
            orient="top",
            direction="horizontal",
            symbolOpacity=1,
            symbolStrokeWidth=2.5,
            labelLimit=320,
        )


def points(chart: alt.Chart, palette: Palette, size: int = 52) -> alt.Chart:
    """The chart with points in the colours and shapes of a palette."""
    return chart.mark_point(filled=True, size=size, opacity=1).encode(
        color=palette.colour, shape=palette.shape
    )


def rules(value: Literal["x", "y"]) -> list[alt.LayerChart | alt.Chart]:
    """Baselines, the rows of kind `baseline`: a line across the chart, and its name."""
    base = over_rows().transform_filter("datum.kind === 'baseline'")
    tips = [alt.Tooltip("label:N", title="baseline"), alt.Tooltip("value:Q", format=",.6~g")]
    line = base.mark_rule(color=GREY, strokeDash=[6, 4], strokeWidth=1.4)
    words = base.mark_text(color=GREY, fontSize=11, align="right", dx=-4, dy=-6)
    if value == "y":
        return [
            line.encode(y="value:Q", tooltip=tips),
            words.encode(y="value:Q", x=alt.value("width"), text="label:N"),
        ]
    # On the side of the rule where there is more room.
    right = "scale('x', datum.value) > width / 2"
    side, away = alt.expr(f"{right} ? 'right' : 'left'"), alt.expr(f"{right} ? -4 : 4")
    words = base.mark_text(color=GREY, fontSize=11, align=side, dx=away, dy=-6)
    return [
        line.encode(x="value:Q", tooltip=tips),
        words.encode(x="value:Q", y=alt.value(0), text="label:N"),
    ]


def finished(*layers: Any, height: int = HEIGHT) -> dict[str, Any]:
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
    return {
        **alt.layer(*layers).properties(width=WIDTH, height=height).to_dict(validate=False),
        "config": config,
    }


def rounded(value: CellValue) -> CellValue:
    """A number with as many digits as a chart can show."""
    if isinstance(value, float) and value and math.isfinite(value):
        return float(f"{value:.7g}")
    return value
