"""Figures as SVG and PNG, tables as CSV and Markdown: for papers, slides and other programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import vl_convert

from seqlab.report.charts.chart_style import WIDTH
from seqlab.report.charts.figure import Figure
from seqlab.report.table_text import slug, to_csv, to_markdown
from seqlab.report.tables import ReportTable
from seqlab.runs import atomic

SCALE = 2.0
"""Pixels of a PNG per unit of the chart."""
RETRY = "write the report again"
MOST_CHOICES = 1
"""Number of panels that become files where a reader would choose one of many."""
LONGEST_NAME = 100
"""Characters of a title in a file's name: file systems take 255 bytes, of which other parts need some."""
LEGEND_SYMBOL, LEGEND_CHARACTER = 44, 7.5
"""Approximate widths in a legend, in units of the chart; `page.js` uses the same."""

Files = dict[str, str | bytes]
"""Contents by file name."""


def write_static_files(
    folder: Path, tables: Sequence[ReportTable], figures: Sequence[Figure], vl_version: str
) -> list[Path]:
    """Write every table and figure under its number on the page; needs neither network nor browser.

    Args:
        folder: it is created; files of the same names are replaced.
        tables: in the order of their numbers.
        figures: in the order of their numbers; one file per axis, and the data as a table.
        vl_version: version of Vega-Lite that the charts are written in.

    Returns:
        The files written.

    Raises:
        WorkError: the disk is full or cannot be written.
    """
    files: Files = {}
    for number, table in enumerate(tables, start=1):
        files |= _table_files(f"table-{number:02}-{_short_slug(table.name)}", table)
    for number, figure in enumerate(figures, start=1):
        files |= _figure_files(f"figure-{number:02}-{_short_slug(figure.name)}", figure, vl_version)
    for name, content in files.items():
        encoded = content.encode("utf-8") if isinstance(content, str) else content
        atomic.write_bytes(folder / name, encoded, retry=RETRY)
    return [folder / name for name in files]


def _short_slug(title: str) -> str:
    """The title as a part of a file's name, which a number before it makes unique."""
    return slug(title[:LONGEST_NAME])


def _table_files(stem: str, table: ReportTable) -> Files:
    return {f"{stem}.csv": to_csv(table), f"{stem}.md": to_markdown(table)}


def _figure_files(stem: str, figure: Figure, vl_version: str) -> Files:
    files = {} if figure.source else _table_files(stem, figure.table)
    columns = max(1, int(WIDTH / (LEGEND_SYMBOL + LEGEND_CHARACTER * figure.longest_label)))
    for axis, chart in figure.charts.items():
        # Vega does not wrap a legend by itself; a long one would be cut at the edge of the file.
        legend = {**chart["config"]["legend"], "columns": columns}
        fitted = {**chart, "config": {**chart["config"], "legend": legend}}
        files |= _panel_files(f"{stem}-over-{slug(axis)}" if axis else stem, fitted, figure, vl_version)
    return files


def _panel_files(stem: str, chart: dict[str, Any], figure: Figure, vl_version: str) -> Files:
    """Files of each panel; only of the first one where a reader would choose."""
    if not figure.panels:
        return _chart_files(stem, figure.complete(chart, figure.rows), vl_version)
    files: Files = {}
    panels = figure.panels[:MOST_CHOICES] if figure.choice else figure.panels
    for number, panel in enumerate(panels, start=1):
        name = f"{stem}-{number:02}-{_short_slug(panel.title)}"
        files |= _chart_files(name, figure.complete(chart, figure.panel_rows(panel)), vl_version)
    return files


def _chart_files(stem: str, complete: dict[str, Any], vl_version: str) -> Files:
    svg = vl_convert.vegalite_to_svg(complete, vl_version=vl_version)
    return {f"{stem}.svg": svg, f"{stem}.png": vl_convert.svg_to_png(svg, scale=SCALE)}
