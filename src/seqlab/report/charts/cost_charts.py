"""Quality against cost: training time, parameters, peak memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt

from seqlab.comparison.comparable import cost_differences
from seqlab.report.chapters import Chapter, Entry
from seqlab.report.charts.chart_style import (
    baseline_rules,
    column_values,
    cost_scale,
    layered,
    metric_title,
    over_rows,
    value_scale,
)
from seqlab.report.charts.figure import Figure, Row
from seqlab.report.charts.palette import points, run_palette
from seqlab.report.tables import ReportColumn, capitalized, run_cost, words


@dataclass(frozen=True)
class _CostAxis:
    """A kind of cost; `measured`: whether it depends on the machine."""

    key: str
    name: str
    unit: str
    measured: bool


COSTS = (
    _CostAxis("training_seconds", "training time", "s", True),
    _CostAxis("parameters", "parameters", "", False),
    _CostAxis("peak_memory_mib", "peak memory of the process", "MiB", True),
)


def cost_figures(chapter: Chapter) -> list[Figure]:
    """The result of each finished run against each kind of cost, unless all runs cost the same."""
    figures = [_figure(chapter, cost) for cost in COSTS]
    return [figure for figure in figures if figure is not None]


def _figure(chapter: Chapter, cost: _CostAxis) -> Figure | None:
    finished = [entry for entry in chapter.entries if not entry.censored]
    rows = tuple(row for entry in finished if (row := _row(chapter, entry, cost)) is not None)
    runs = [row for row in rows if row["kind"] == "run"]
    # Equal costs show no trade-off.
    if len({row["cost"] for row in runs}) < 2:
        return None
    monitor, palette = chapter.monitor, run_palette(chapter)
    baselines = baseline_rules("y") if len(runs) < len(rows) else []
    better = "Higher" if monitor.better == "higher" else "Lower"
    return Figure(
        name=f"{words(monitor.name)} against {cost.name} on {chapter.title}",
        caption=f"{capitalized(words(monitor.name))} of each finished run against {cost.name}. {better} and "
        f"further left is better.{_caution(chapter, cost)}{' Grey rule: a baseline.' if baselines else ''}",
        charts={"": layered(_points(chapter, cost, rows), *baselines, zoom=("x", "y"))},
        rows=rows,
        legend=palette.items,
        keys=("run", "label", "cost", "value"),
        columns=(
            ReportColumn("run"),
            ReportColumn("model"),
            ReportColumn(cost.name, cost.unit),
            ReportColumn(words(monitor.name), monitor.unit),
        ),
    )


def _points(chapter: Chapter, cost: _CostAxis, rows: Sequence[Row]) -> alt.Chart:
    title = metric_title(chapter.monitor)
    costs = column_values([row for row in rows if row["kind"] == "run"], "cost")
    # Parameters are shortened to 1k or 1M; seconds and MiB keep their digits.
    axis = alt.Axis(tickCount=5, labelOverlap=True, format=",.6~g" if cost.unit else "~s")
    base = over_rows().transform_filter("datum.kind === 'run'").encode(
        x=alt.X(
            "cost:Q",
            title=f"{cost.name}{f' ({cost.unit})' if cost.unit else ''}",
            scale=cost_scale(costs),
            axis=axis,
        ),
        y=alt.Y("value:Q", title=title, scale=value_scale(column_values(rows), padding=10)),
        tooltip=[
            alt.Tooltip("label:N", title="model"),
            alt.Tooltip("run:N", title="run"),
            alt.Tooltip("cost:Q", title=cost.name, format=",.6~g"),
            alt.Tooltip("value:Q", title=", ".join(title), format=",.6~g"),
        ],
    )  # fmt: skip
    return points(base, run_palette(chapter), 64)


def _row(chapter: Chapter, entry: Entry, cost: _CostAxis) -> Row | None:
    value = chapter.value(entry)
    amount = entry.run.parameters if cost.key == "parameters" else run_cost(entry)[cost.key]
    if value is None or (amount is None and not entry.baseline):
        return None
    return {
        "kind": "baseline" if entry.baseline else "run",
        "run": entry.number,
        "label": entry.label,
        "architecture": entry.architecture,
        "cost": amount,
        "value": value,
    }


def _caution(chapter: Chapter, cost: _CostAxis) -> str:
    """What limits the comparison of costs."""
    if not cost.measured:
        return ""
    memory = (
        " Peak memory is that of the whole process, which may have trained other runs before."
        if cost.key == "peak_memory_mib"
        else ""
    )
    cards = [card for entry in chapter.entries if (card := entry.run.cards.get("valid"))]
    differing = ", ".join(difference.what for difference in cost_differences(cards)) if len(cards) > 1 else ""
    if not differing:
        return memory
    return f"{memory} Runs cannot be ranked by {cost.name}, because they differ in {differing}."
