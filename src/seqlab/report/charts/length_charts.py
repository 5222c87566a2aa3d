"""The accuracy of a classifier by the length of texts, with its interval."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from seqlab.report.chapters import Chapter, Entry
from seqlab.report.charts.chart_style import column_values, layered, over_rows, value_scale
from seqlab.report.charts.figure import Figure, Row
from seqlab.report.charts.palette import Palette, points, run_palette
from seqlab.report.tables import ReportColumn, split_title
from seqlab.runs.cards import ACCURACY_BY_LENGTH, MatrixTable

_FIELDS = ("value", "low", "high", "texts", "x")
"""Fields of a row for the columns of the matrix."""


def length_figures(chapter: Chapter) -> list[Figure]:
    """A figure for each split on which runs were scored so, with a line for each run."""
    splits = dict.fromkeys(split for entry in chapter.entries for split in sorted(entry.run.cards))
    ordered = sorted(splits, key=lambda split: split != "valid")
    found = {split: _split_rows(chapter, split) for split in ordered}
    return [_figure(chapter, split, rows) for split, rows in found.items() if rows]


def _split_rows(chapter: Chapter, split: str) -> list[Row]:
    return [
        row
        for entry in chapter.entries
        if split in entry.run.cards
        and (groups := entry.run.cards[split]["matrices"].get(ACCURACY_BY_LENGTH)) is not None
        for row in _rows(entry, groups)
    ]


def _rows(entry: Entry, groups: MatrixTable) -> list[Row]:
    run: Row = {"run": entry.number, "label": entry.label, "architecture": entry.architecture}
    return [
        {**run, "tokens": title, **dict(zip(_FIELDS, values, strict=True)), "texts": int(values[3])}
        for title, values in zip(groups["rows"], groups["values"], strict=True)
    ]


def _figure(chapter: Chapter, split: str, rows: Sequence[Row]) -> Figure:
    palette = run_palette(chapter)
    return Figure(
        name=f"accuracy by length on {chapter.title}, {split}",
        caption="Accuracy over the mean length of groups of texts of similar length. Bands: 95 % intervals. "
        f"{split_title(split).capitalize()} of {chapter.title}.",
        charts={"": layered(*_layers(rows, palette))},
        rows=tuple(rows),
        keys=("run", "label", "tokens", "x", "value", "low", "high", "texts"),
        legend=palette.items,
        columns=(
            ReportColumn("run"),
            ReportColumn("model"),
            ReportColumn("length", "tokens"),
            ReportColumn("mean length", "tokens"),
            ReportColumn("accuracy", "fraction of texts"),
            ReportColumn("95 % from"),
            ReportColumn("to"),
            ReportColumn("texts"),
        ),
    )


def _layers(rows: Sequence[Row], palette: Palette) -> list[alt.Chart]:
    scale = value_scale([*column_values(rows, "low"), *column_values(rows, "high")])
    base = over_rows().encode(
        x=alt.X("x:Q", title=["mean length", "tokens"], scale=value_scale(column_values(rows, "x"))),
        y=alt.Y("value:Q", title=["accuracy", "fraction of texts"], scale=scale),
        color=palette.colour,
        detail="run:N",
        tooltip=[
            alt.Tooltip("label:N", title="model"),
            "run:N",
            "tokens:N",
            *(alt.Tooltip(f"{field}:Q", format=".4f") for field in ("value", "low", "high")),
            "texts:Q",
        ],
    )
    band = base.encode(y=alt.Y("low:Q", scale=scale), y2="high:Q").mark_area(opacity=0.12)
    return [band, base.mark_line(strokeWidth=2), points(base, palette)]
