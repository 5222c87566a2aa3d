"""Figures as SVG and PNG, tables as CSV and Markdown: for papers, slides and other programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import vl_convert

from seqlab.report.charts.chart_style import WIDTH, Figure, Row
from seqlab.report.saving import save
from seqlab.report.table_text import slug, to_csv, to_markdown
from seqlab.report.tables import ReportTable

SCALE = 2.0
"""Pixels of a PNG per unit of the chart."""
CHOICES = 1
"""Panels that become files where a reader would choose one of many."""


def export(
    folder: Path, tables: Sequence[ReportTable], figures: Sequence[Figure], vl_version: str
) -> list[Path]:
    """Write every table and figure under its number on the page; charts need neither network nor browser.

    Args:
        folder: it is made; files of the same names are replaced.
        tables: in the order of their numbers.
        figures: in the order of their numbers; one file for each axis, and its data as a table.
        vl_version: version of Vega-Lite that the charts are written in.

    Returns:
        The files written.

    Raises:
        WorkError: the disk is full or cannot be written.
    """
    files: dict[str, str | bytes] = {}
    for number, table in enumerate(tables, start=1):
        files |= _table(f"table-{number:02}-{slug(table.name)}", table)
    for number, figure in enumerate(figures, start=1):
        stem = f"figure-{number:02}-{slug(figure.name)}"
        files |= _table(stem, figure.table) if not figure.source else {}
        columns = max(1, int(WIDTH / (44 + 7.5 * figure.longest)))
        for axis, chart in figure.charts.items():
            legend = {**chart["config"]["legend"], "columns": columns}
            whole = {**chart, "config": {**chart["config"], "legend": legend}}
            files |= _charts(f"{stem}-over-{slug(axis)}" if axis else stem, whole, figure, vl_version)
    for name, content in files.items():
        save(folder / name, content)
    return [folder / name for name in files]


def _table(stem: str, table: ReportTable) -> dict[str, str | bytes]:
    return {f"{stem}.csv": to_csv(table), f"{stem}.md": to_markdown(table)}


def _charts(stem: str, chart: dict[str, Any], figure: Figure, vl_version: str) -> dict[str, str | bytes]:
    """A file for each panel; of panels that a reader chooses from, the first one."""
    if not figure.panels:
        return _chart(stem, chart, figure.rows, vl_version)
    files: dict[str, str | bytes] = {}
    for place, panel in enumerate(figure.panels[:CHOICES] if figure.choice else figure.panels, start=1):
        name = f"{stem}-{place:02}-{slug(panel.title)[:40]}"
        files |= _chart(name, chart, figure.part(panel), vl_version)
    return files


def _chart(stem: str, chart: dict[str, Any], rows: Sequence[Row], vl_version: str) -> dict[str, str | bytes]:
    whole = {**chart, "datasets": {"rows": list(rows)}, "background": "white"}
    drawn = vl_convert.vegalite_to_svg(whole, vl_version=vl_version)
    return {f"{stem}.svg": drawn, f"{stem}.png": vl_convert.svg_to_png(drawn, scale=SCALE)}
