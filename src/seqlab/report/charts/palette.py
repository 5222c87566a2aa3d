"""Colours, point shapes and dashes of a chart, with one legend for all three."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import altair as alt

from seqlab.report.chapters import Chapter
from seqlab.report.charts.figure import LegendItem
from seqlab.report.run_styles import MOST_LABELS, Style

LEGEND: dict[str, Any] = {
    "title": None,
    "orient": "top",
    "direction": "horizontal",
    "symbolOpacity": 1,
    "symbolStrokeWidth": 2.5,
    "labelLimit": 320,
}
"""A legend above its chart."""


@dataclass(frozen=True)
class Palette:
    """The styles of a field's values.

    legend: whether the chart draws a legend itself. symbols: what it shows there; "both" also draws points
        with the dashes of their lines.
    """

    field: str
    styles: dict[str, Style]
    legend: bool = True
    symbols: Literal["both", "points", "lines"] = "both"

    @property
    def colour(self) -> alt.Color:
        """The encoding of colours."""
        return alt.Color(
            f"{self.field}:N",
            scale=self._scale([style.colour for style in self.styles.values()]),
            legend=self._legend,
        )

    @property
    def shape(self) -> alt.Shape:
        """The encoding of point shapes."""
        hidden = self.symbols == "lines"
        return alt.Shape(
            f"{self.field}:N",
            scale=self._scale([style.shape for style in self.styles.values()], hidden=hidden),
            legend=None if hidden else self._legend,
        )

    @property
    def dash(self) -> alt.StrokeDash:
        """The encoding of dashes."""
        # [1, 0], a stroke without a gap, is a solid line.
        dashes = [list(style.dash) or [1, 0] for style in self.styles.values()]
        hidden = self.symbols == "points"
        scale, legend = self._scale(dashes, hidden=hidden), None if hidden else self._legend
        return alt.StrokeDash(f"{self.field}:N", scale=scale, legend=legend)

    @property
    def dashed(self) -> bool:
        """Whether any line has dashes."""
        return any(style.dash for style in self.styles.values())

    @property
    def items(self) -> tuple[LegendItem, ...]:
        """The legend, for outside the charts."""
        return tuple(LegendItem(label, style) for label, style in self.styles.items())

    def _scale(self, values: Sequence[Any], *, hidden: bool = False) -> alt.Scale:
        domain, order = list(self.styles), -1 if hidden else 1
        # Vega-Lite merges the legends of equal domains, also with one that is left out.
        return alt.Scale(domain=domain[::order], range=list(values)[::order])

    @property
    def _legend(self) -> alt.Legend | None:
        if len(self.styles) < 2 or not self.legend:
            return None
        return alt.Legend(**LEGEND, symbolType="stroke" if self.symbols == "lines" else alt.Undefined)


def run_palette(chapter: Chapter, *, legend: bool = True) -> Palette:
    """The styles of a chapter's runs: by label where there are few labels, else by architecture."""
    styles = {entry.label: entry.style for entry in chapter.entries if not entry.baseline}
    if len(styles) <= MOST_LABELS:
        return Palette("label", styles, legend)
    return architecture_palette(chapter, legend=legend)


def architecture_palette(chapter: Chapter, *, legend: bool = True) -> Palette:
    """The styles of a chapter's architectures."""
    styles: dict[str, Style] = {}
    for entry in chapter.entries:
        if not entry.baseline:
            styles.setdefault(entry.architecture, replace(entry.style, dash=()))
    return Palette("architecture", styles, legend)


def points(chart: alt.Chart, palette: Palette, size: int = 52) -> alt.Chart:
    """The chart with points in the colours and shapes of a palette."""
    return chart.mark_point(filled=True, size=size, opacity=1).encode(
        color=palette.colour, shape=palette.shape
    )
