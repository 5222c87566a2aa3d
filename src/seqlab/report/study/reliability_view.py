"""How reliable each architecture is over its settings: a table, the spread, the expected best of k."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from seqlab.comparison.study import Group
from seqlab.report.charts.chart_style import (
    column_values,
    layered,
    metric_title,
    over_rows,
    value_scale,
)
from seqlab.report.charts.figure import Figure, Row
from seqlab.report.study.chapter_study import ChapterStudy
from seqlab.report.study.seeds_figure import censored_edge, names_axis, study_palette
from seqlab.report.tables import ReportColumn, ReportTable, words
from seqlab.stats.reliability import Reliability


def reliability_table(study: ChapterStudy, reliability: Sequence[Reliability]) -> ReportTable | None:
    """The spread over settings of each architecture; None where no architecture has two settings."""
    if not _several_settings(reliability):
        return None
    unit, within = study.monitor.unit, reliability[0].within
    return ReportTable(
        name=f"reliability in study {study.name} on {study.chapter.title}",
        caption="Reliability of each architecture: the spread of the medians of its settings, the most "
        f"reliable architecture first. Near: within {study.monitor.format_difference(within, within)} of the "
        "best. This holds for the settings that were tried.",
        columns=(
            ReportColumn("architecture"),
            ReportColumn("settings"),
            ReportColumn("near the overall best", "fraction of settings"),
            ReportColumn("near its own best", "fraction of settings"),
            ReportColumn("best", unit),
            ReportColumn("lower quartile", unit),
            ReportColumn("median", unit),
            ReportColumn("upper quartile", unit),
            ReportColumn("without a value", "settings"),
            ReportColumn("best setting"),
        ),
        rows=tuple(
            (
                summary.architecture,
                summary.settings,
                summary.near_overall_best,
                summary.near_own_best,
                summary.best,
                summary.lower_quartile,
                summary.median,
                summary.upper_quartile,
                summary.censored,
                summary.best_setting,
            )
            for summary in reliability
        ),
    )


def reliability_figures(study: ChapterStudy, reliability: Sequence[Reliability]) -> list[Figure]:
    """The spread over settings and the expected best of k settings; [] where no architecture has two."""
    if not _several_settings(reliability):
        return []
    return [_spread_figure(study, reliability), _expected_best_figure(study, reliability)]


def _several_settings(reliability: Sequence[Reliability]) -> bool:
    return max((summary.settings for summary in reliability), default=0) > 1


def _spread_figure(study: ChapterStudy, reliability: Sequence[Reliability]) -> Figure:
    order = {summary.architecture: index for index, summary in enumerate(reliability)}
    medians = [_setting_row(group, order) for group in study.groups if group.summary.median is not None]
    rows = [*medians, *_quartile_rows(study, reliability)]
    name = words(study.monitor.name)
    return Figure(
        name=f"spread over settings in study {study.name} on {study.chapter.title}",
        caption=f"Median {name} of each setting (points), the median of these (line) and their middle half "
        "(bar; up to the edge of the chart where a quartile has no value); the most reliable architecture "
        "first.",
        charts={
            "": layered(*_spread_layers(study, rows), height=max(110, 46 * len(reliability)), zoom=("x",))
        },
        rows=tuple(rows),
        keys=("architecture", "label", "value"),
        columns=(
            ReportColumn("architecture"),
            ReportColumn("setting"),
            ReportColumn(f"median {name}", study.monitor.unit),
        ),
        listed=lambda row: row["kind"] == "setting",
    )


def _setting_row(group: Group, order: dict[str, int]) -> Row:
    return {
        "kind": "setting",
        "architecture": group.architecture,
        "label": group.label,
        "order": order[group.architecture],
        "value": group.summary.median,
        "low": None,
        "high": None,
    }


def _quartile_rows(study: ChapterStudy, reliability: Sequence[Reliability]) -> list[Row]:
    edge = censored_edge(study, study.groups)
    return [
        {
            "kind": "quartiles",
            "architecture": summary.architecture,
            "label": None,
            "order": index,
            "value": summary.median,
            "low": edge if summary.lower_quartile is None else summary.lower_quartile,
            "high": edge if summary.upper_quartile is None else summary.upper_quartile,
        }
        for index, summary in enumerate(reliability)
    ]


def _spread_layers(study: ChapterStudy, rows: Sequence[Row]) -> list[alt.Chart]:
    values = [
        float(row[key] or 0) for row in rows for key in ("value", "low", "high") if row[key] is not None
    ]
    title, scale = metric_title(study.monitor), value_scale(values, fixed=True)
    x = alt.X("value:Q", title=title, scale=scale, axis=alt.Axis(tickCount=5, labelOverlap=True))
    base = over_rows().encode(y=names_axis("architecture"), color=study_palette(study).colour)
    tooltip = [
        "architecture:N",
        alt.Tooltip("label:N", title="setting"),
        alt.Tooltip("value:Q", format=",.6~g"),
    ]
    quartiles = base.transform_filter("datum.kind === 'quartiles'")
    settings = base.transform_filter("datum.kind === 'setting'")
    bars = quartiles.mark_bar(height=12, opacity=0.25)
    # The bars are first, below the points.
    return [
        bars.encode(x=alt.X("low:Q", title=title, scale=scale), x2=alt.X2("high:Q")),
        settings.mark_point(filled=True, size=46, opacity=0.65).encode(x=x, tooltip=tooltip),
        quartiles.transform_filter("isValid(datum.value)").mark_tick(thickness=3, size=24).encode(x=x),
    ]


def _expected_best_figure(study: ChapterStudy, reliability: Sequence[Reliability]) -> Figure:
    rows: tuple[Row, ...] = tuple(
        {"architecture": summary.architecture, "k": k, "value": value}
        for summary in reliability
        for k, value in enumerate(summary.expected_best, start=1)
        if value is not None
    )
    return Figure(
        name=f"expected best in study {study.name} on {study.chapter.title}",
        caption="What a smaller search would have found: the expected best of k settings chosen at random "
        "among those tried. No point: all k settings might have no value.",
        charts={"": layered(*_expected_best_layers(study, rows), zoom=("x", "y"))},
        rows=rows,
        keys=("architecture", "k", "value"),
        legend=study_palette(study).items,
        columns=(
            ReportColumn("architecture"),
            ReportColumn("settings tried"),
            ReportColumn(f"expected best {words(study.monitor.name)}", study.monitor.unit),
        ),
    )


def _expected_best_layers(study: ChapterStudy, rows: Sequence[Row]) -> list[alt.Chart]:
    palette = study_palette(study, legend=True)
    base = over_rows().encode(
        x=alt.X(
            "k:Q",
            title="settings tried (k)",
            axis=alt.Axis(values=_whole_ticks(rows), format="d"),
            scale=alt.Scale(nice=False),
        ),
        y=alt.Y("value:Q", title=metric_title(study.monitor), scale=value_scale(column_values(rows))),
        color=palette.colour,
        tooltip=[
            "architecture:N",
            alt.Tooltip("k:Q", title="settings"),
            alt.Tooltip("value:Q", format=",.6~g"),
        ],
    )
    points = base.mark_point(filled=True, size=40, opacity=1).encode(shape=palette.shape)
    return [base.mark_line(strokeWidth=2), points]


def _whole_ticks(rows: Sequence[Row]) -> list[int]:
    """About 8 whole numbers at most, between the smallest and the largest k."""
    ks = [int(row["k"] or 0) for row in rows]
    return list(range(min(ks, default=1), max(ks, default=1) + 1, max(1, len(set(ks)) // 8)))
