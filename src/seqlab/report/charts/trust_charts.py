"""Charts of a classifier's probabilities: the reliability curve, and what abstaining gains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt

from seqlab.report.chapters import Chapter, Entry
from seqlab.report.charts.chart_style import GREY, layered, over_rows
from seqlab.report.charts.figure import Figure, Row
from seqlab.report.charts.palette import points, run_palette
from seqlab.report.tables import ReportColumn, split_title
from seqlab.runs.cards import CurveTable

CURVES = frozenset(
    f"{before}{name}"
    for before in ("", "calibrated_")
    for name in ("calibration_accuracy", "calibration_share", "abstention_answered", "abstention_accuracy")
)
"""Recorded curves that these charts show together."""


@dataclass(frozen=True)
class _Kind:
    """A figure of two recorded curves over one axis: which of their numbers are x, y and the third one."""

    title: str
    caption: str
    first: str
    second: str
    x: ReportColumn
    y: ReportColumn
    third: ReportColumn


_RELIABILITY = _Kind(
    "reliability curve",
    "Reliability curve: the share of right labels over their mean probability, in 15 bins of equal width. On "
    "the dashed line probabilities are right; below it the model is too confident.",
    "calibration_accuracy",
    "calibration_share",
    ReportColumn("mean probability of the predicted label"),
    ReportColumn("accuracy", "fraction of the texts of a bin"),
    ReportColumn("texts", "fraction"),
)
_ABSTENTION = _Kind(
    "accuracy by abstaining",
    "Accuracy where labels below a probability are left out: each point is one such probability.",
    "abstention_accuracy",
    "abstention_answered",
    ReportColumn("texts with a label", "fraction"),
    ReportColumn("accuracy", "fraction of the texts with a label"),
    ReportColumn("least probability"),
)


def trust_figures(chapter: Chapter) -> list[Figure]:
    """A reliability curve and an abstention curve for each split that runs were inspected on."""
    splits = dict.fromkeys(split for entry in chapter.entries for split in sorted(entry.run.cards))
    ordered = sorted(splits, key=lambda split: split != "valid")
    figures = [_figure(chapter, split, kind) for split in ordered for kind in (_RELIABILITY, _ABSTENTION)]
    return [figure for figure in figures if figure is not None]


def _figure(chapter: Chapter, split: str, kind: _Kind) -> Figure | None:
    rows: list[Row] = []
    for entry in chapter.entries:
        curves = entry.run.cards[split]["curves"] if split in entry.run.cards else {}
        if kind.first in curves and kind.second in curves:
            rows += _rows(entry, curves[kind.first], curves[kind.second], by_share=kind is _ABSTENTION)
    if not rows:
        return None
    palette = run_palette(chapter)
    return Figure(
        name=f"{kind.title} on {chapter.title}, {split}",
        caption=f"{kind.caption} {split_title(split).capitalize()} of {chapter.title}.",
        charts={"": layered(*_layers(chapter, kind, rows))},
        rows=tuple(rows),
        keys=("run", "label", "x", "value", "third"),
        legend=palette.items,
        columns=(ReportColumn("run"), ReportColumn("model"), kind.x, kind.y, kind.third),
    )


def _rows(entry: Entry, first: CurveTable, second: CurveTable, *, by_share: bool) -> list[Row]:
    """One row for each point of both curves, which have one axis."""
    run: Row = {"run": entry.number, "label": entry.label, "architecture": entry.architecture}
    found: list[Row] = []
    for x, y, other in zip(first["x"], first["y"], second["y"], strict=True):
        found.append({**run, "x": other if by_share else x, "value": y, "third": x if by_share else other})
    return found


def _layers(chapter: Chapter, kind: _Kind, rows: Sequence[Row]) -> list[alt.Chart]:
    palette = run_palette(chapter)
    unit = alt.Scale(domain=[0, 1])
    scale = unit if kind is _RELIABILITY else alt.Scale(zero=False, nice=True)
    base = over_rows().encode(
        x=alt.X("x:Q", title=_title(kind.x), scale=unit),
        y=alt.Y("value:Q", title=_title(kind.y), scale=scale),
    )
    runs = base.encode(
        color=palette.colour,
        detail="run:N",
        tooltip=[
            alt.Tooltip("label:N", title="model"),
            alt.Tooltip("run:N"),
            *(
                alt.Tooltip(f"{field}:Q", title=column.title, format=".4f")
                for field, column in (("x", kind.x), ("value", kind.y), ("third", kind.third))
            ),
        ],
    )
    lines = [runs.mark_line(strokeWidth=2)]
    if kind is _ABSTENTION:
        return lines
    # The diagonal is drawn from the corners of the chart, for the rows have no point there.
    diagonal = over_rows().mark_rule(color=GREY, strokeDash=[4, 3], strokeWidth=1.4)
    corners = diagonal.transform_aggregate(count="count()").encode(
        x=alt.XDatum(0), y=alt.YDatum(0), x2=alt.X2Datum(1), y2=alt.Y2Datum(1)
    )
    return [corners, *lines, points(runs, palette)]


def _title(column: ReportColumn) -> list[str]:
    return [column.title, column.unit] if column.unit else [column.title]
