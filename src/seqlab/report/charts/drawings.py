"""The charts of figures as complete Vega-Lite documents, each with a name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import vl_convert

from seqlab.report.charts.chart_style import WIDTH
from seqlab.report.charts.figure import Figure
from seqlab.report.charts.palette import LEGEND
from seqlab.report.table_text import slug
from seqlab.schema.errors import UserError

FORMATS = (".svg", ".png", ".pdf")
"""Suffixes of files that a chart can be written to."""
FONT_SIZE = 12
"""Of labels and titles in a chart of `WIDTH` pixels."""
SCALE = 2.0
"""Pixels of a PNG per unit of the chart."""
MOST_CHOICES = 1
"""Number of panels that become files where a reader would choose one of many."""
LONGEST_NAME = 100
"""Characters of a title in a file's name: file systems take 255 bytes, of which other parts need some."""
LEGEND_SYMBOL, LEGEND_CHARACTER = 44, 7.5
"""Approximate widths in a legend, in units of the chart; `page.js` uses the same."""
_SIZES = ("labelFontSize", "titleFontSize", "fontSize")


@dataclass(frozen=True)
class Drawing:
    """A chart with its data. name: unique among the charts of its figure."""

    name: str
    chart: dict[str, Any]

    def write(self, suffix: str, vl_version: str) -> bytes:
        """The content of a file of one of `FORMATS`."""
        svg = vl_convert.vegalite_to_svg(self.chart, vl_version=vl_version)
        match suffix:
            case ".svg":
                # Halves of surrogate pairs, which no file of text can hold, become escapes.
                return svg.encode("utf-8", "backslashreplace")
            case ".png":
                return vl_convert.svg_to_png(svg, scale=SCALE)
            case ".pdf":
                return vl_convert.svg_to_pdf(svg)
            case _:
                raise UserError(f"A figure's file must end in {', '.join(FORMATS)}. Got {suffix!r}.")


def drawings(figure: Figure, *, title: str = "", font_size: int = FONT_SIZE) -> list[Drawing]:
    """A drawing for each axis and panel of a figure.

    Args:
        figure: any figure.
        title: above each chart; "": none.
        font_size: of labels and titles, in pixels of a chart of `WIDTH` pixels.
    """
    stem = short_slug(figure.name)
    return [
        drawing
        for axis, chart in figure.charts.items()
        for drawing in _panels(
            f"{stem}-over-{slug(axis)}" if axis else stem,
            fitted(chart, figure, title=title, font_size=font_size),
            figure,
        )
    ]


def short_slug(title: str) -> str:
    """A title as a part of a file's name."""
    return slug(title[:LONGEST_NAME])


def fitted(
    chart: dict[str, Any], figure: Figure, *, title: str, font_size: int = FONT_SIZE
) -> dict[str, Any]:
    """The chart with a legend that fits, a title, and letters of the requested size."""
    factor = font_size / FONT_SIZE
    # The legend that the page shows beside several panels.
    chart = _with_legends(chart) if len(figure.legend) > 1 and not figure.choice else chart
    # Vega does not wrap a legend by itself; a long one would be cut at the edge of the file.
    entry = LEGEND_SYMBOL + LEGEND_CHARACTER * factor * figure.longest_label
    config = chart["config"]
    legend = {**config["legend"], "columns": max(1, int(WIDTH / entry))}
    changed = {**chart, "config": {**config, "legend": legend}}
    if title:
        changed["title"] = {"text": title, "fontSize": FONT_SIZE + 2, "anchor": "start"}
    if factor == 1:
        return changed
    # Rows of names need more space as their letters grow.
    return {**_resized(changed, factor), "height": round(chart["height"] * max(1.0, factor))}


def _with_legends(node: Any) -> Any:
    """A part of a chart whose runs have legends."""
    if isinstance(node, list):
        return [_with_legends(value) for value in node]
    if not isinstance(node, dict):
        return node
    filled = {key: _with_legends(value) for key, value in node.items()}
    of_runs = node.get("field") in ("label", "architecture") and "legend" in node and node["legend"] is None
    return {**filled, "legend": LEGEND} if of_runs else filled


def _resized(node: Any, factor: float) -> Any:
    """A part of a chart with all its sizes of letters multiplied."""
    if isinstance(node, dict):
        return {
            key: value * factor
            if key in _SIZES and isinstance(value, int | float)
            else _resized(value, factor)
            for key, value in node.items()
        }
    return [_resized(value, factor) for value in node] if isinstance(node, list) else node


def _panels(stem: str, chart: dict[str, Any], figure: Figure) -> list[Drawing]:
    """A drawing of each panel; only of the first one where a reader would choose."""
    if not figure.panels:
        return [Drawing(stem, figure.complete(chart, figure.rows))]
    panels: Sequence[Any] = figure.panels[:MOST_CHOICES] if figure.choice else figure.panels
    return [
        Drawing(
            f"{stem}-{number:02}-{short_slug(panel.title)}",
            figure.complete(chart, figure.panel_rows(panel)),
        )
        for number, panel in enumerate(panels, start=1)
    ]
