"""The figure of a study's seeds, and what other figures of a study share with it."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from seqlab.comparison.study import Group, short
from seqlab.report.charts.chart_style import (
    GREY,
    baseline_rules,
    column_values,
    layered,
    metric_title,
    over_rows,
    value_scale,
)
from seqlab.report.charts.figure import Figure, Panel, Row
from seqlab.report.charts.palette import Palette
from seqlab.report.naming import LONGEST_LABEL, short_labels
from seqlab.report.study.chapter_study import ChapterStudy
from seqlab.report.tables import ReportColumn, capitalized, words

MOST_SETTINGS = 12
"""Number of settings per architecture whose seeds are drawn: the best ones."""
CROSS = "M-0.5,-0.5L0.5,0.5M0.5,-0.5L-0.5,0.5"
"""An SVG path."""


def study_palette(study: ChapterStudy, *, legend: bool = False) -> Palette:
    """The styles of the study's architectures."""
    return Palette("architecture", study.styles, legend)


def names_axis(field: str) -> alt.Y:
    """A vertical axis of names, in the order of the rows' field `order`."""
    return alt.Y(
        f"{field}:N",
        title=None,
        sort=alt.EncodingSortField("order", op="min"),
        axis=alt.Axis(labelLimit=220, ticks=False, domain=False, grid=True),
    )


def censored_edge(study: ChapterStudy, groups: Sequence[Group]) -> float:
    """Where seeds without a value are drawn: a little worse than the worst value."""
    values = [cell.value for group in groups for cell in group.cells if cell.value is not None]
    if not values:
        return 0.0
    worst, best = max(values, key=study.loss), min(values, key=study.loss)
    # Where higher is better the difference is negative, and the edge is on the left.
    return worst + 0.08 * (worst - best)


def seeds_figure(study: ChapterStudy) -> Figure | None:
    """A point for each seed, a line at each setting's median; None where every setting has one seed."""
    if max((group.summary.seeds for group in study.groups), default=0) < 2:
        return None
    shown = [group for best in study.best for group in _settings(study, best.architecture)[:MOST_SETTINGS]]
    edge = censored_edge(study, shown)
    labels = short_labels([group.label for group in shown], LONGEST_LABEL)
    numbers = {entry.run.folder.path.name: entry.number for entry in study.chapter.entries}
    seeds = [
        {**row, "run": numbers.get(str(row["run"]))}
        for index, (group, label) in enumerate(zip(shown, labels, strict=True))
        for row in _seed_rows(group, label, index, edge)
    ]
    rows = (*seeds, *_baseline_rows(study))
    # With one setting per architecture, one chart compares them all; otherwise each has a panel.
    single = max(len(_settings(study, best.architecture)) for best in study.best) == 1
    layers = _layers(study, "architecture" if single else "label", rows)
    return Figure(
        name=f"seeds of study {study.name} on {study.chapter.title}",
        caption=_caption(study, shown, rows),
        charts={"": layered(*layers, height=_height(shown, single=single), zoom=("x",))},
        rows=rows,
        keys=("architecture", "setting", "seed", "value", "why"),
        columns=(
            ReportColumn("architecture"),
            ReportColumn("setting"),
            ReportColumn("seed"),
            ReportColumn(words(study.monitor.name), study.monitor.unit),
            ReportColumn("no value because"),
        ),
        by="" if single else "architecture",
        panels=() if single else tuple(Panel(best.architecture, best.architecture) for best in study.best),
        listed=lambda row: row["kind"] in ("seed", "censored"),
        wide=True,
    )


def _caption(study: ChapterStudy, shown: Sequence[Group], rows: Sequence[Row]) -> str:
    name = capitalized(words(study.monitor.name))
    sentences = [f"{name} of each seed (points) and the median of each setting (lines), the best first."]
    if len(shown) < len(study.groups):
        sentences.append(f"Only the best {MOST_SETTINGS} settings of each architecture are drawn.")
    if any(row["kind"] == "censored" for row in rows):
        sentences.append("Cross at the edge: a seed without a value.")
    if study.baselines:
        sentences.append("Grey rule: a baseline.")
    return " ".join(sentences)


def _settings(study: ChapterStudy, architecture: str) -> list[Group]:
    return [group for group in study.groups if group.architecture == architecture]


def _height(shown: Sequence[Group], *, single: bool) -> int:
    most = max(sum(other.architecture == group.architecture for other in shown) for group in shown)
    return max(90, 26 * (len(shown) if single else most))


def _seed_rows(group: Group, label: str, order: int, edge: float) -> list[Row]:
    setting: Row = {
        "architecture": group.architecture,
        "setting": group.label,
        "label": label,
        "order": order,
        "why": None,
        "seed": None,
        "run": None,
    }
    rows: list[Row] = []
    for cell in group.cells:
        kind = "seed" if cell.value is not None else "censored"
        value = edge if cell.value is None else cell.value
        rows.append(
            {
                **setting,
                "kind": kind,
                "seed": cell.seed,
                "run": cell.run.name,
                "value": value,
                "why": short(cell.censored) or None,
            }
        )
    if group.summary.median is not None:
        rows.append({**setting, "kind": "median", "value": group.summary.median})
    return rows


def _baseline_rows(study: ChapterStudy) -> list[Row]:
    empty = dict.fromkeys(("architecture", "setting", "order", "why", "seed", "run", "k"))
    return [
        {**empty, "kind": "baseline", "label": group.architecture, "value": group.summary.median}
        for group in study.baselines
        if group.summary.median is not None
    ]


def _layers(study: ChapterStudy, field: str, rows: Sequence[Row]) -> list[alt.Chart | alt.LayerChart]:
    base = over_rows().encode(
        x=alt.X(
            "value:Q",
            title=metric_title(study.monitor),
            scale=value_scale(column_values(rows), fixed=True),
            axis=alt.Axis(tickCount=5, labelOverlap=True),
        ),
        y=names_axis(field),
    )
    names = ["architecture:N", "setting:N"]
    value = alt.Tooltip("value:Q", format=",.6~g", title=words(study.monitor.name))
    why, colour = alt.Tooltip("why:N", title="no value because"), study_palette(study).colour
    seeds = base.transform_filter("datum.kind === 'seed'").mark_point(filled=True, size=60, opacity=0.75)
    medians = base.transform_filter("datum.kind === 'median'").mark_tick(thickness=3, size=20)
    censored = base.transform_filter("datum.kind === 'censored'").mark_point(
        shape=CROSS, size=90, strokeWidth=2, color=GREY
    )
    return [
        seeds.encode(color=colour, tooltip=[*names, "seed:N", value]),
        medians.encode(color=colour, tooltip=[*names, value]),
        censored.encode(tooltip=[*names, "seed:N", why]),
        *(baseline_rules("x") if any(row["kind"] == "baseline" for row in rows) else []),
    ]
