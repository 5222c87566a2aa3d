"""Recorded curves as lines, recorded matrices as heat maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import altair as alt

from seqlab.report.chapters import Chapter, Entry
from seqlab.report.charts.chart_style import GREY, Figure, Panel, Row, finished, over_rows, points, scale
from seqlab.report.charts.gradient_charts import RECORDED
from seqlab.report.charts.learning_curves import SAMPLES, palette
from seqlab.report.tables import ReportColumn, words
from seqlab.schema.records import Curve, Matrix

TRUTH = "oracle"
"""What stands for the split of a curve that is known of the data itself."""
MANY_CELLS = 15
"""Rows or columns of a matrix up to which each cell shows its number."""
FEW_MATRICES = 6
"""Runs whose matrices are shown side by side; of more, the reader chooses one."""


def curves(chapter: Chapter) -> list[Figure]:
    """Every curve recorded, as of its last moment: one figure for each name, lines for the runs.

    Gradients through time have a figure of their own.
    """
    last: dict[tuple[str, str], dict[int, tuple[Entry, Curve]]] = {}
    for entry in chapter.entries:
        for record, _ in entry.run.records:
            if isinstance(record, Curve) and record.x and not RECORDED.fullmatch(record.name):
                last.setdefault((record.name, record.split), {})[entry.number] = (entry, record)
    # What is known of the data itself is the same for all runs: it stands beside theirs.
    truth = {name: next(iter(found.values())) for (name, split), found in last.items() if split == TRUTH}
    return [
        _curve(chapter, list(found.values()), truth.get(name))
        for (name, split), found in last.items()
        if split != TRUTH
    ]


def _curve(
    chapter: Chapter, found: Sequence[tuple[Entry, Curve]], truth: tuple[Entry, Curve] | None
) -> Figure:
    curve = found[0][1]
    rows = tuple(row for entry, record in found for row in _points(record, entry))
    if truth is not None:
        rows += tuple({**row, "run": None, "label": TRUTH} for row in _points(truth[1], truth[0]))
    looks = palette(chapter)
    every = over_rows().encode(
        x=alt.X("x:Q", title=curve.x_unit, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=8)),
        y=alt.Y(
            "value:Q",
            title=[words(curve.name), curve.y_unit],
            scale=scale([float(row["value"] or 0) for row in rows]),
        ),
        tooltip=[alt.Tooltip("label:N", title="model"), "run:N", "x:Q", "value:Q"],
    )
    base = every.transform_filter("isValid(datum.run)").encode(color=looks.colour, detail="run:N")
    line = every.transform_filter(f"datum.label === '{TRUTH}'").mark_line(
        color=GREY, strokeWidth=2, strokeDash=[4, 3]
    )
    return Figure(
        name=f"{words(curve.name)} on {chapter.title}, {curve.split}",
        caption=f"{words(curve.name).capitalize()}, {curve.y_unit}, over {curve.x_unit}; "
        f"{_of(curve.split)} of {chapter.title}.{' Grey: the truth.' if truth is not None else ''}",
        charts={
            "": finished(
                *([line] if truth is not None else []), base.mark_line(strokeWidth=2), points(base, looks)
            )
        },
        rows=rows,
        keys=("run", "label", "x", "value"),
        legend=looks.keys,
        columns=(
            ReportColumn("run"),
            ReportColumn("model"),
            ReportColumn(curve.x_unit),
            ReportColumn(words(curve.name), curve.y_unit),
        ),
    )


def _points(curve: Curve, entry: Entry) -> list[Row]:
    known: Row = {"run": entry.number, "label": entry.label, "architecture": entry.architecture}
    return [{**known, "x": x, "value": y} for x, y in zip(curve.x, curve.y, strict=True)]


def _of(split: str) -> str:
    return "samples at the end" if split == SAMPLES else f"{split} split"


def matrices(chapter: Chapter) -> list[Figure]:
    """Every matrix recorded, as of its last moment: a heat map of each run, of many runs one at a time."""
    last: dict[tuple[str, str], dict[int, tuple[Entry, Matrix]]] = {}
    for entry in chapter.entries:
        for record, _ in entry.run.records:
            if isinstance(record, Matrix):
                last.setdefault((record.name, record.split), {})[entry.number] = (entry, record)
    found: list[Figure] = []
    for runs in last.values():
        group = list(runs.values())
        alike = len({(matrix.rows, matrix.columns) for _, matrix in group}) == 1
        many = alike and len(group) > FEW_MATRICES
        found += [_chosen(chapter, group)] if many else [_matrix(chapter, *one) for one in group]
    return found


def _chosen(chapter: Chapter, group: Sequence[tuple[Entry, Matrix]]) -> Figure:
    """One figure of many runs' matrices, of which the reader chooses one."""
    parts = [_matrix(chapter, entry, matrix) for entry, matrix in group]
    (_, matrix), first = group[0], parts[0]
    what = f"{words(matrix.name)} on {chapter.title}, {matrix.split}"
    return replace(
        first,
        name=what,
        caption=f"{words(matrix.name).capitalize()} of the run chosen above on the {matrix.split} split of "
        f"{chapter.title}, {matrix.unit}.",
        rows=tuple(row for part in parts for row in part.rows),
        keys=("run", *first.keys),
        columns=(ReportColumn("run"), *first.columns),
        by="run",
        panels=tuple(Panel(f"Run {entry.number}: {entry.label}", entry.number) for entry, _ in group),
        choice=True,
    )


def _matrix(chapter: Chapter, entry: Entry, matrix: Matrix) -> Figure:
    rows: tuple[Row, ...] = tuple(
        {"run": entry.number, "row": row, "column": column, "value": value}
        for row, line in zip(matrix.rows, matrix.values, strict=True)
        for column, value in zip(matrix.columns, line, strict=True)
    )
    largest = max(float(row["value"] or 0) for row in rows)
    base = over_rows().encode(
        x=alt.X(
            "column:N", sort=list(matrix.columns), title="column", axis=alt.Axis(orient="top", labelAngle=0)
        ),
        y=alt.Y("row:N", sort=list(matrix.rows), title="row"),
        tooltip=["row:N", "column:N", alt.Tooltip("value:Q", title=matrix.unit)],
    )
    numbered = max(len(matrix.rows), len(matrix.columns)) <= MANY_CELLS
    legend = None if numbered else alt.Legend(title=None)
    shade = alt.Color("value:Q", legend=legend, scale=alt.Scale(scheme="blues"))
    layers = [base.mark_rect(stroke="white", strokeWidth=1).encode(color=shade)]
    if numbered:
        ink = alt.condition(alt.datum.value > largest * 0.55, alt.value("white"), alt.value("#0b2545"))
        layers.append(base.mark_text(fontSize=13).encode(text=alt.Text("value:Q", format=",.4~g"), color=ink))
    name = f"{words(matrix.name)} of run {entry.number} ({entry.label}), {matrix.split}"
    return Figure(
        name=name,
        caption=f"{words(matrix.name).capitalize()} of run {entry.number} ({entry.label}) on the "
        f"{matrix.split} split of {chapter.title}, {matrix.unit}.",
        charts={"": finished(*layers, height=max(160, min(36 * len(matrix.rows), 480)))},
        rows=rows,
        keys=("row", "column", "value"),
        columns=(ReportColumn("row"), ReportColumn("column"), ReportColumn("value", matrix.unit)),
    )
