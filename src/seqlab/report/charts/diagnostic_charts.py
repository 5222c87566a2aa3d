"""Diagnostics: recorded curves as lines, recorded matrices as heat maps."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import altair as alt

from seqlab.report.chapters import Chapter, Entry
from seqlab.report.charts.chart_style import GREY, column_values, layered, over_rows, top_axis, value_scale
from seqlab.report.charts.figure import Figure, Panel, Row
from seqlab.report.charts.gradient_charts import GRADIENT_RECORD
from seqlab.report.charts.palette import Palette, points, run_palette
from seqlab.report.charts.recorded_number import SAMPLES
from seqlab.report.charts.trust_charts import CURVES
from seqlab.report.naming import LONGEST_LABEL, short_labels
from seqlab.report.run_data import FINAL
from seqlab.report.tables import ReportColumn, capitalized, split_title, words
from seqlab.report.trust_tables import TABLES
from seqlab.runs.cards import POSITION_CURVES, SATURATION
from seqlab.schema.records import Curve, Matrix

_TITLED_UNIT = re.compile(r"(.+); row: (.+), column: (.+)")
ORACLE = "oracle"
"""Recorded in place of the split of a curve of the true distribution."""
MOST_MARKED = 60
"""Points of a curve up to which each is marked; more would hide the line."""
MOST_NUMBERED = 15
"""Rows or columns of a matrix up to which each cell shows its number."""
MOST_NARROW = 6
"""Columns of a matrix up to which it takes half of the page's width."""
MOST_MATRICES = 6
"""Runs whose matrices are shown side by side; with more, the reader chooses one."""


def curve_figures(chapter: Chapter) -> list[Figure]:
    """The last measurement of every recorded curve: a figure for each name, a line for each run.

    Gradients through time, losses per position and probabilities of classifiers have figures of their own.
    """
    last: dict[tuple[str, str], dict[int, tuple[Entry, Curve]]] = {}
    for entry in chapter.entries:
        for record, _ in entry.run.records:
            if isinstance(record, Curve) and record.x and not _has_own_figure(record.name):
                last.setdefault((record.name, record.split), {})[entry.number] = (entry, record)
    # Every run of a chapter records the same curve of the true distribution, so the first one is enough.
    oracles = {name: next(iter(curves.values())) for (name, split), curves in last.items() if split == ORACLE}
    return [
        _curve_figure(chapter, list(curves.values()), oracles.get(name))
        for (name, split), curves in last.items()
        if split != ORACLE
    ]


def _has_own_figure(curve: str) -> bool:
    name = curve.removeprefix(FINAL)
    return GRADIENT_RECORD.fullmatch(curve) is not None or name in CURVES or name.endswith(POSITION_CURVES)


def _curve_figure(
    chapter: Chapter, curves: Sequence[tuple[Entry, Curve]], oracle: tuple[Entry, Curve] | None
) -> Figure:
    curve, palette = curves[0][1], run_palette(chapter)
    rows = tuple(row for entry, record in curves for row in _curve_rows(record, entry))
    if oracle is not None:
        rows += tuple({**row, "run": None, "label": ORACLE} for row in _curve_rows(oracle[1], oracle[0]))
    grey = " Grey: the true distribution." if oracle is not None else ""
    return Figure(
        name=f"{words(curve.name)} on {chapter.title}, {curve.split}",
        caption=f"{capitalized(words(curve.name))}, {curve.y_unit}, over {curve.x_unit}; "
        f"{_source_title(curve.split)} of {chapter.title}.{grey}",
        charts={
            "": layered(*_curve_layers(curve, rows, palette, oracle=oracle is not None), zoom=("x", "y"))
        },
        rows=rows,
        keys=("run", "label", "x", "value"),
        legend=palette.items,
        columns=(
            ReportColumn("run"),
            ReportColumn("model"),
            ReportColumn(curve.x_unit),
            ReportColumn(words(curve.name), curve.y_unit),
        ),
    )


def _curve_layers(curve: Curve, rows: Sequence[Row], palette: Palette, *, oracle: bool) -> list[alt.Chart]:
    base = over_rows().encode(
        x=alt.X("x:Q", title=curve.x_unit, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=8)),
        y=alt.Y("value:Q", title=[words(curve.name), curve.y_unit], scale=value_scale(column_values(rows))),
        tooltip=[alt.Tooltip("label:N", title="model"), "run:N", "x:Q", "value:Q"],
    )
    runs = base.transform_filter("isValid(datum.run)").encode(color=palette.colour, detail="run:N")
    layers = [runs.mark_line(strokeWidth=2)]
    if len(curve.x) <= MOST_MARKED:
        layers.append(points(runs, palette))
    if not oracle:
        return layers
    grey = base.transform_filter(f"datum.label === '{ORACLE}'").mark_line(
        color=GREY, strokeWidth=2, strokeDash=[4, 3]
    )
    return [grey, *layers]


def _curve_rows(curve: Curve, entry: Entry) -> list[Row]:
    run: Row = {"run": entry.number, "label": entry.label, "architecture": entry.architecture}
    return [{**run, "x": x, "value": y} for x, y in zip(curve.x, curve.y, strict=True)]


def _source_title(split: str) -> str:
    return "final samples" if split == SAMPLES else split_title(split)


def matrix_figures(chapter: Chapter) -> list[Figure]:
    """The last measurement of every recorded matrix: a heat map for each run, or one to choose from.

    The scores of labels and the accuracy by length have tables of their own, saturation another chart.
    """
    last: dict[tuple[str, str], dict[int, tuple[Entry, Matrix]]] = {}
    for entry in chapter.entries:
        for record, _ in entry.run.records:
            if isinstance(record, Matrix) and record.name not in (*TABLES, SATURATION):
                last.setdefault((record.name, record.split), {})[entry.number] = (entry, record)
    figures: list[Figure] = []
    for by_run in last.values():
        matrices = list(by_run.values())
        same_axes = len({(matrix.rows, matrix.columns) for _, matrix in matrices}) == 1
        choose = same_axes and len(matrices) > MOST_MATRICES
        each = [_matrix_figure(chapter, entry, matrix) for entry, matrix in matrices]
        figures += [_choice(chapter, matrices, each)] if choose else each
    return figures


def _choice(chapter: Chapter, matrices: Sequence[tuple[Entry, Matrix]], each: Sequence[Figure]) -> Figure:
    """One figure of the matrices of many runs, of which the reader chooses one."""
    (_, matrix), first = matrices[0], each[0]
    unit, down, across = matrix_titles(matrix.unit)
    return replace(
        first,
        name=f"{words(matrix.name)} on {chapter.title}, {matrix.split}",
        caption=f"{capitalized(words(matrix.name))} of the run selected above on the "
        f"{split_title(matrix.split)} of {chapter.title}, in {unit}. "
        f"Rows: {down}. Columns: {across}.",
        rows=tuple(row for figure in each for row in figure.rows),
        keys=("run", *first.keys),
        columns=(ReportColumn("run"), *first.columns),
        by="run",
        panels=tuple(Panel(f"Run {entry.number}: {entry.label}", entry.number) for entry, _ in matrices),
        choice=True,
    )


def _matrix_figure(chapter: Chapter, entry: Entry, matrix: Matrix) -> Figure:
    rows_names, column_names = _short_names(matrix.rows), _short_names(matrix.columns)
    rows: tuple[Row, ...] = tuple(
        {
            "run": entry.number,
            "row": rows_names[row],
            "column": column_names[column],
            "full_row": row,
            "full_column": column,
            "value": value,
        }
        for row, line in zip(matrix.rows, matrix.values, strict=True)
        for column, value in zip(matrix.columns, line, strict=True)
    )
    unit, down, across = matrix_titles(matrix.unit)
    title = f"{words(matrix.name)} of run {entry.number} ({entry.label})"
    height, wide = max(160, min(36 * len(matrix.rows), 480)), len(matrix.columns) > MOST_NARROW
    return Figure(
        name=f"{title}, {matrix.split}",
        caption=f"{capitalized(title)} on the {split_title(matrix.split)} of {chapter.title}, in {unit}. "
        f"Rows: {down}. Columns: {across}.",
        charts={"": layered(*_matrix_layers(matrix, rows), height=height)},
        rows=rows,
        keys=("full_row", "full_column", "value"),
        columns=(ReportColumn(down), ReportColumn(across), ReportColumn("value", unit)),
        wide=wide,
        least_width=200 + 34 * len(matrix.columns) if wide else 0,
    )


def matrix_titles(unit: str) -> tuple[str, str, str]:
    """The unit of a matrix's cells, and what its rows and its columns are.

    >>> matrix_titles("texts; row: true class, column: predicted")
    ('texts', 'true class', 'predicted')
    >>> matrix_titles("norm")
    ('norm', 'row', 'column')
    """
    match = _TITLED_UNIT.fullmatch(unit)
    return (match[1], match[2], match[3]) if match else (unit, "row", "column")


def _short_names(names: Sequence[str]) -> dict[str, str]:
    return dict(zip(names, short_labels(names, LONGEST_LABEL), strict=True))


def _matrix_layers(matrix: Matrix, rows: Sequence[Row]) -> list[alt.Chart]:
    unit, down, across = matrix_titles(matrix.unit)
    names = _short_names(matrix.columns)
    base = over_rows().encode(
        x=alt.X("column:N", sort=list(names.values()), title=across, axis=top_axis(list(names.values()))),
        y=alt.Y(
            "row:N",
            sort=list(_short_names(matrix.rows).values()),
            title=down,
            axis=alt.Axis(labelLimit=260, labelOverlap=False),
        ),
        tooltip=[
            alt.Tooltip("full_row:N", title=down),
            alt.Tooltip("full_column:N", title=across),
            alt.Tooltip("value:Q", title=unit),
        ],
    )
    numbered = max(len(matrix.rows), len(matrix.columns)) <= MOST_NUMBERED
    legend = None if numbered else alt.Legend(title=None)
    shade = alt.Color("value:Q", legend=legend, scale=alt.Scale(scheme="blues"))
    cells = base.mark_rect(stroke="white", strokeWidth=1).encode(color=shade)
    if not numbered:
        return [cells]
    # White text on the darker half of the colours.
    dark = alt.datum.value > max(column_values(rows)) * 0.55
    text_colour = alt.condition(dark, alt.value("white"), alt.value("#0b2545"))
    # The numbers shrink with their cells, so that they fit on a narrow page.
    size = alt.ExprRef(f"max(7, min(13, width / {max(len(matrix.columns), 1)} / 3))")
    numbers = base.mark_text(fontSize=size)
    return [cells, numbers.encode(text=alt.Text("value:Q", format=",.4~g"), color=text_colour)]
