"""The style that all charts share: sizes, colours, axes, fonts."""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Sequence
from typing import Any, Literal

import altair as alt

from seqlab.report.charts.figure import Row
from seqlab.report.tables import CellValue, words
from seqlab.schema.metric_spec import MetricSpec
from seqlab.stats.ties import equal

HEIGHT = 280
WIDTH = 640
"""Width of a chart in a file; on the page a chart fills its container."""
PANEL_HEIGHT = 200
"""Height of one of several charts in a figure."""
WIDE_RANGE = 20
"""Ratio of the largest value to the median from which an axis is logarithmic.

On a linear axis most of such a line would lie at the bottom.
"""
TEXT, GRID = "#4b5563", "#dfe3e8"
"""Colours of text and grid lines of a chart in a file; the page's light and dark themes override them."""
ZOOM = {"type": "interval", "zoom": "wheel![event.shiftKey]"}
"""The wheel alone scrolls the page; dragging moves the chart, a double click shows all of it again."""
_CHARACTER = 7
"""Approximate width of a character of a label, in pixels."""
GREY = "#7d8590"
"""Colour of what belongs to no architecture; visible on light and on dark."""


def over_rows() -> alt.Chart:
    """A chart of the figure's rows, which are stored separately."""
    return alt.Chart(alt.NamedData("rows"))


def column_values(rows: Sequence[Row], key: str = "value") -> list[float]:
    """The numbers of a field; a missing one counts as 0."""
    return [float(row[key] or 0) for row in rows]


def axis_title(name: str, unit: str) -> list[str]:
    """Name and unit on two lines; one line where the unit adds nothing."""
    return [words(name), unit] if unit not in ("", words(name)) else [words(name)]


def metric_title(metric: MetricSpec) -> list[str]:
    """The title of a metric's axis."""
    return axis_title(metric.name, metric.unit)


def value_scale(values: Sequence[float], *, fixed: bool = False, padding: int = 0) -> alt.Scale:
    """The scale of an axis of values: logarithmic where a few of them are far above the others.

    Args:
        values: at least one.
        fixed: whether the ends of the axis are set, so that several charts have the same.
        padding: pixels beyond the ends, so that points there are not cut.
    """
    lowest, highest = min(values), max(values)
    # A single value is in the middle of an axis from 0, instead of at an end of a random range.
    if equal(lowest, highest):
        return alt.Scale(domain=sorted([0.0, finite(2 * highest)]) if highest else [-1.0, 1.0])
    log = lowest > 0 and highest / statistics.median(values) > WIDE_RANGE
    if not fixed:
        return alt.Scale(
            type="log" if log else alt.Undefined,
            zero=alt.Undefined if log else False,
            nice=True,
            padding=padding or alt.Undefined,
        )
    if log:
        return alt.Scale(type="log", domain=[lowest / 1.1, finite(highest * 1.1)])
    margin = 0.05 * highest - 0.05 * lowest
    return alt.Scale(domain=[finite(lowest - margin), finite(highest + margin)], zero=False, nice=True)


def top_axis(names: Sequence[str]) -> alt.Axis:
    """An axis of names above a heat map; they are slanted where the chart is too narrow for them."""
    needed = max((len(name) for name in names), default=0) * _CHARACTER * len(names)
    narrow = f"width < {needed}"
    return alt.Axis(
        orient="top",
        ticks=False,
        domain=False,
        labelLimit=260,
        labelOverlap=False,
        labelAngle=alt.ExprRef(f"{narrow} ? 40 : 0"),
        # Towards the left, where the names of the rows leave space.
        labelAlign=alt.ExprRef(f"{narrow} ? 'right' : 'center'"),
    )


def cost_scale(values: Sequence[float]) -> alt.Scale:
    """The scale of an axis of costs: logarithmic where they differ by a large factor."""
    lowest, highest = min(values), max(values)
    if lowest > 0 and highest / lowest > WIDE_RANGE / 2:
        margin = (highest / lowest) ** 0.05
        return alt.Scale(type="log", domain=[lowest / margin, finite(highest * margin)], nice=False)
    return alt.Scale(zero=False, nice=True, padding=12)


def baseline_rules(value: Literal["x", "y"]) -> list[alt.LayerChart | alt.Chart]:
    """Rows of kind `baseline`, which have no curve or cost: a line across the chart with their label."""
    base = over_rows().transform_filter("datum.kind === 'baseline'")
    tooltip = [alt.Tooltip("label:N", title="model"), alt.Tooltip("value:Q", format=",.6~g")]
    line = base.mark_rule(color=GREY, strokeDash=[6, 4], strokeWidth=1.4)
    if value == "y":
        # Curves mostly come from the middle of the chart, so the name is on the other side of the rule.
        low = "scale('y', datum.value) > height / 2 && scale('y', datum.value) < height - 16"
        names = base.mark_text(color=GREY, fontSize=11, align="right", dx=-4, dy=alt.expr(f"{low} ? 10 : -6"))
        return [
            line.encode(y="value:Q", tooltip=tooltip),
            names.encode(y="value:Q", x=alt.value("width"), text="label:N"),
        ]
    # The name is on the side of the rule that has more space.
    right = "scale('x', datum.value) > width / 2"
    align, dx = alt.expr(f"{right} ? 'right' : 'left'"), alt.expr(f"{right} ? -4 : 4")
    names = base.mark_text(color=GREY, fontSize=11, align=align, dx=dx, dy=-6)
    return [
        line.encode(x="value:Q", tooltip=tooltip),
        names.encode(x="value:Q", y=alt.value(0), text="label:N"),
    ]


def layered(*layers: Any, height: int = HEIGHT, zoom: Sequence[Literal["x", "y"]] = ()) -> dict[str, Any]:
    """The layers as one Vega-Lite chart in the common style.

    Args:
        layers: altair's charts.
        height: in pixels.
        zoom: axes along which the reader can zoom and move: both must be of numbers.
    """
    fonts = {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal"}
    colours = {"labelColor": TEXT, "titleColor": TEXT}
    config = {
        "view": {"strokeOpacity": 0},
        "axis": {
            **fonts,
            **colours,
            "titlePadding": 10,
            # Labels that only touch would read as one number.
            "labelSeparation": 6,
            "gridColor": GRID,
            "domainColor": TEXT,
            "tickColor": TEXT,
        },
        "legend": {**fonts, **colours, "columns": 2},
    }
    chart = alt.layer(*layers).properties(width=WIDTH, height=height).to_dict(validate=False)
    if zoom:
        # A selection belongs to one layer; its scales are those of all layers.
        chart["layer"][0]["params"] = [
            {"name": "zoom", "select": {**ZOOM, "encodings": list(zoom)}, "bind": "scales"}
        ]
    return {**chart, "config": config}


def finite(value: float) -> float:
    """The value, or the largest number of its sign where it overflowed: JSON has no infinity."""
    return max(-sys.float_info.max, min(value, sys.float_info.max))


def rounded(value: CellValue) -> CellValue:
    """A number with as many digits as a chart can show."""
    if isinstance(value, float) and value and math.isfinite(value):
        return float(f"{value:.7g}")
    return value
