"""A figure: charts, the numbers that they show, and the same numbers as a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from seqlab.report.charts.drawable import drawable
from seqlab.report.run_styles import Style
from seqlab.report.tables import CellValue, ReportColumn, ReportTable

MOST_TABLE_ROWS = 1_000
"""Rows of a figure's table up to which the page shows all of them."""
AXES_HEIGHT = 60
"""Approximate height of a chart's axes and titles, in pixels."""
Row = dict[str, CellValue]


@dataclass(frozen=True)
class Panel:
    """One of several charts of a figure: it shows the rows whose field `Figure.by` has this value."""

    title: str
    value: CellValue


@dataclass(frozen=True)
class LegendItem:
    """An entry of a legend beside the charts."""

    label: str
    style: Style


@dataclass(frozen=True, kw_only=True)
class Figure:
    """Vega-Lite charts without data, the data, and the columns of its table.

    charts: by field of the horizontal axis; "" where there is only one axis.
    rows: the data. keys, columns: the fields that the table shows, and their titles.
    by, panels: where the same chart is drawn several times, each with a part of the rows; rows whose `by` is
        None belong to all panels. `choice`: only the panel that the reader chooses is shown.
    legend: the meaning of the colours.
    source: name of an earlier figure with the same rows, which has the table.
    listed: whether the table shows a row.
    wide: whether the figure takes the whole width of the page.
    least_width: of a chart, in pixels; on a narrower page the reader scrolls it, and panels are stacked.
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
    legend: tuple[LegendItem, ...] = ()
    source: str = ""
    listed: Callable[[Row], bool] = bool
    wide: bool = False
    least_width: int = 0

    @cached_property
    def table(self) -> ReportTable:
        """The numbers that the figure shows."""
        return self._table(self._listed_rows, f"Data of the figure: {self.name}.")

    @cached_property
    def short_table(self) -> ReportTable:
        """The table as the page shows it; of a long one only the last row of each line."""
        if len(self.table.rows) <= MOST_TABLE_ROWS:
            return self.table
        # A line is the records of one run on one split; later rows replace earlier ones.
        last = {(row["run"], row.get("split")): row for row in self._listed_rows}
        return self._table(
            list(last.values()),
            f"Last point of each line of the figure: {self.name}. All {len(self.table.rows):,} points are "
            "in the files that `--static` writes.",
        )

    @property
    def _listed_rows(self) -> list[Row]:
        return [row for row in self.rows if self.listed(row)]

    def _table(self, rows: Sequence[Row], caption: str) -> ReportTable:
        return ReportTable(
            name=f"data of {self.name}",
            caption=caption,
            columns=self.columns,
            rows=tuple(tuple(row[key] for key in self.keys) for row in rows),
        )

    @property
    def longest_label(self) -> int:
        """Characters of the longest label in the legend."""
        return max((len(item.label) for item in self.legend), default=0)

    @property
    def height(self) -> int:
        """Approximate height of a chart with its axes, in pixels."""
        return int(next(iter(self.charts.values()))["height"]) + AXES_HEIGHT

    def complete(self, chart: Mapping[str, Any], rows: Sequence[Row]) -> dict[str, Any]:
        """A chart with its data, for a file or a notebook."""
        return drawable({**chart, "datasets": {"rows": list(rows)}, "background": "white"})

    def panel_rows(self, panel: Panel) -> tuple[Row, ...]:
        """The rows of a panel."""
        return tuple(row for row in self.rows if row[self.by] in (None, panel.value))
