"""The table and the chart of an answer: each model at its best setting, the best first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from seqlab.comparison.study import Group
from seqlab.comparison.study_cost import cost
from seqlab.comparison.study_pairs import Pairs
from seqlab.report.chapters import Entry
from seqlab.report.charts.chart_style import (
    GREY,
    column_values,
    layered,
    metric_title,
    over_rows,
    value_scale,
)
from seqlab.report.charts.figure import Figure, Row
from seqlab.report.charts.palette import Palette
from seqlab.report.run_styles import Style
from seqlab.report.study.chapter_study import ChapterStudy
from seqlab.report.tables import CellValue, ReportColumn, ReportTable, metric_column, words
from seqlab.schema.errors import UserError
from seqlab.schema.settings import format_setting, short_names

MOST_MODELS = 12
"""Models that the table and the chart show."""
_ROW_HEIGHT = 26
NAMES = alt.Axis(labelLimit=220, ticks=False, domain=False, grid=True)

Line = tuple[str, Group]
"""What a model is called in the table and in the chart, and its setting."""


def lines(study: ChapterStudy) -> list[Line]:
    """The best models, and all baselines among them."""
    floors = {id(group) for group in study.floors}
    shown = [
        *study.best[:MOST_MODELS],
        *(group for group in study.baselines if group.summary.median is not None),
    ]
    return [
        ("true distribution" if id(group) in floors else _named(group), group)
        for group in sorted(shown, key=lambda group: study.loss(group.summary.median))
    ]


def best_table(study: ChapterStudy, pairs: Pairs) -> ReportTable:
    """Each model at its best setting: settings that vary, result, and the difference from the best one."""
    shown = lines(study)
    seeds = max((group.summary.seeds for _, group in shown), default=1) > 1
    unequal = len({group.summary.seeds for _, group in shown if not group.baseline}) > 1
    compared = any(_compared(study, pairs, group)[0] is not None for _, group in shown)
    names = short_names([key for key in study.axes if any(_varies(group, key) for _, group in shown)])
    median = metric_column(study.monitor.name, study.monitor.unit)
    return ReportTable(
        name=f"answer {study.name or 'runs'} on {study.chapter.title}",
        caption=_caption(study, seeds=seeds, compared=compared),
        columns=(
            ReportColumn("model"),
            *(ReportColumn(name) for name in names.values()),
            *([ReportColumn("seeds")] if unequal else []),
            ReportColumn(f"median {median.title}" if seeds else median.title, median.unit),
            *([ReportColumn("lowest"), ReportColumn("highest")] if seeds else []),
            *(
                [
                    ReportColumn(f"difference from {study.best[0].architecture}"),
                    ReportColumn("from"),
                    ReportColumn("to"),
                ]
                if compared
                else []
            ),
            ReportColumn("training", "s"),
            ReportColumn("peak memory", "MiB"),
            ReportColumn("parameters"),
        ),
        rows=tuple(
            (
                name,
                *(format_setting(group.setting[key]) if key in group.setting else None for key in names),
                *([group.summary.seeds] if unequal else []),
                group.summary.median,
                *(_range(group) if seeds else ()),
                *(_compared(study, pairs, group) if compared else ()),
                *_cost(group),
            )
            for name, group in shown
        ),
        best=frozenset(index for index, (_, group) in enumerate(shown) if group is study.best[0])
        if study.best and study.best[0].summary.median is not None
        else frozenset(),
        censored=frozenset(index for index, (_, group) in enumerate(shown) if group.summary.median is None),
    )


def best_figure(study: ChapterStudy) -> Figure | None:
    """A point for each seed and a mark at the median of each model; None where nothing has a value."""
    shown = [(name, group) for name, group in lines(study) if group.summary.median is not None]
    if len(shown) < 2:
        return None
    entries = {entry.run.folder.path.name: entry for entry in study.chapter.entries}
    styles = {
        name: Style(GREY, "diamond", ()) if group.baseline else _style(study, group) for name, group in shown
    }
    rows = tuple(row for name, group in shown for row in _rows(name, group, entries))
    several = any(group.summary.seeds > 1 for _, group in shown)
    name = words(study.monitor.name)
    best = "right" if study.monitor.better == "higher" else "left"
    points = "Points: seeds. Upright marks: their median." if several else "One point for each model."
    return Figure(
        name=f"answer {study.name or 'runs'} on {study.chapter.title}",
        caption=f"{name.capitalize()} of each model on the validation split; further {best} is "
        f"better. {points}{' Grey: baselines.' if study.baselines else ''}",
        charts={"": _chart(study, rows, Palette("model", styles, legend=False), several=several)},
        rows=rows,
        keys=("model", "seed", "value"),
        columns=(ReportColumn("model"), ReportColumn("seed"), metric_column(name, study.monitor.unit)),
        listed=lambda row: row["kind"] == "seed",
    )


def _named(group: Group) -> str:
    return f"{group.architecture} (baseline)" if group.baseline else group.architecture


def _style(study: ChapterStudy, group: Group) -> Style:
    label = next((e.style for e in study.chapter.entries if e.label == group.architecture), None)
    return study.styles.get(group.architecture, label or Style(GREY, "circle", ()))


def _varies(group: Group, key: str) -> bool:
    return key in group.setting and not group.baseline


def _range(group: Group) -> tuple[CellValue, CellValue]:
    """The lowest and the highest value over seeds; one seed has no spread."""
    return (group.summary.lowest, group.summary.highest) if group.summary.seeds > 1 else (None, None)


def _compared(study: ChapterStudy, pairs: Pairs, group: Group) -> tuple[CellValue, CellValue, CellValue]:
    """A model's value minus that of the best network on the same items, with the interval; else Nones."""
    if not study.best:  # baselines alone
        return None, None, None
    best = study.best[0]
    for pair in pairs.found:
        if pair.items is not None and pair.names in (
            (best.architecture, group.architecture),
            (group.architecture, best.architecture),
        ):
            sign = 1 if pair.names[0] == group.architecture else -1
            low, high = sorted(sign * end for end in pair.items.interval.ends)
            return sign * pair.items.difference, low, high
    return None, None, None


def _cost(group: Group) -> tuple[CellValue, CellValue, CellValue]:
    try:
        spent = cost(group)
    except UserError:
        # The notice at the top of the page names the damaged run.
        return None, None, None
    if spent is None:
        return None, None, None
    return spent.seconds, spent.memory_mib, round(spent.parameters)


def _caption(study: ChapterStudy, *, seeds: bool, compared: bool) -> str:
    name = words(study.monitor.name)
    sentences = [f"{name.capitalize()} on the validation split of {study.chapter.title}, the best first."]
    if len(study.best) > MOST_MODELS:
        sentences.append(f"The best {MOST_MODELS} of {len(study.best)} models.")
    if any(group.setting for group in study.best):
        sentences.append("Each model at its best setting.")
    if seeds:
        counts = sorted({group.summary.seeds for group in study.best[:MOST_MODELS]})
        sentences.append(f"Median, lowest and highest over {' or '.join(map(str, counts))} seeds.")
    if compared:
        means = "The difference is that of the means over seeds. " if seeds else ""
        interval = "From, to: the difference's 95 % interval over texts or tokens (paired bootstrap)."
        sentences.append(f"{means}{interval}")
    return " ".join(sentences)


def _rows(name: str, group: Group, entries: Mapping[str, Entry]) -> list[Row]:
    rows: list[Row] = []
    for cell in group.cells:
        entry = entries.get(cell.run.name)
        drawn = not group.baseline and (entry is None or not entry.ensemble)
        row: Row = {
            "kind": "seed",
            "model": name,
            "seed": cell.seed if drawn else None,
            "run": None if entry is None else entry.number,
            "value": cell.value,
        }
        rows += [row] if cell.value is not None else []
    if len(rows) > 1:
        rows.append(
            {"kind": "median", "model": name, "seed": None, "run": None, "value": group.summary.median}
        )
    return rows


def _chart(study: ChapterStudy, rows: Sequence[Row], palette: Palette, *, several: bool) -> dict[str, Any]:
    order = list(palette.styles)
    base = over_rows().encode(
        x=alt.X(
            "value:Q",
            title=", ".join(metric_title(study.monitor)),
            scale=value_scale(column_values(rows), fixed=True),
            axis=alt.Axis(tickCount=5, labelOverlap=True),
        ),
        y=alt.Y("model:N", title=None, sort=order, axis=NAMES),
        tooltip=[
            "model:N",
            alt.Tooltip("seed:N"),
            alt.Tooltip("value:Q", format=",.6~g", title=words(study.monitor.name)),
        ],
    )  # fmt: skip
    seeds = base.transform_filter("datum.kind === 'seed'").mark_point(filled=True, size=70, opacity=0.85)
    layers = [seeds.encode(color=palette.colour, shape=palette.shape)]
    if several:
        medians = base.transform_filter("datum.kind === 'median'").mark_tick(thickness=3, size=18)
        layers.append(medians.encode(color=palette.colour))
    return layered(*layers, height=max(110, _ROW_HEIGHT * len(order)), zoom=("x",))
