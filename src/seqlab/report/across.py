"""A study over several datasets: how surely, how soon and how far back, dataset by dataset."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Any, Literal

import altair as alt

from seqlab.compare.study import Group
from seqlab.compare.study_steps import counts_steps, steps_to_success
from seqlab.report.charts import HORIZON
from seqlab.report.look import PANEL, Figure, Palette, Row, finished, over_rows
from seqlab.report.run_data import Recorded
from seqlab.report.study_view import StudyView, is_number
from seqlab.report.tables import ReportColumn, words
from seqlab.schema.records import Curve, Scalar

NORM = "gradient_through_time"
"""Beginning of the names of curves over the distance from the last position."""


def across(studies: Sequence[StudyView]) -> list[Figure]:
    """Figures with a place for each dataset; [] where there is one dataset, or nothing to be drawn."""
    if len(studies) < 2:
        return []
    found = [
        _medians(studies),
        _success(studies),
        _steps(studies),
        _horizons(studies, "first"),
        _horizons(studies, "last"),
    ]
    return [figure for figure in found if any(row["value"] is not None for row in figure.rows)]


def _medians(studies: Sequence[StudyView]) -> Figure:
    what = studies[0].monitor
    return _figure(
        studies,
        lambda study, group: group.summary.median,
        ReportColumn(words(what.name), what.unit),
        name=words(what.name),
        caption=f"{words(what.name).capitalize()} of each architecture's best setting, median over seeds.",
    )


def _success(studies: Sequence[StudyView]) -> Figure:
    def share(study: StudyView, group: Group) -> float | None:
        return None if study.about.get("success") is None else 100 * group.summary.share

    return _figure(
        studies,
        share,
        ReportColumn("seeds that succeed", "%"),
        name="successes",
        caption="Share of the seeds that succeed, of each architecture's best setting.",
    )


def _steps(studies: Sequence[StudyView]) -> Figure:
    # Asked once for each study, because the answer lies in the records of its runs.
    counted = {id(study) for study in studies if counts_steps(study)}

    def steps(study: StudyView, group: Group) -> float | None:
        return steps_to_success(group, study) if id(study) in counted else None

    return _figure(
        studies,
        steps,
        ReportColumn("steps to success", "steps"),
        name="steps to success",
        caption="Optimiser steps to the first validation that is a success, median over seeds; no point "
        "where most seeds had none.",
    )


def _horizons(studies: Sequence[StudyView], when: Literal["first", "last"]) -> Figure:
    def horizon(study: StudyView, group: Group) -> float | None:
        runs = {entry.run.folder.path.name: entry.run.records for entry in study.chapter.entries}
        known = [_reach(runs[cell.run.name], when) for cell in group.cells if cell.run.name in runs]
        measured = [reach for reach in known if reach is not None]
        return statistics.median(measured) if measured else None

    return _figure(
        studies,
        horizon,
        ReportColumn(f"horizon when {when} measured", "tokens"),
        name=f"{when} gradient horizons",
        caption="How far back the gradient of the last position's loss reaches in the layer next to the "
        f"input, when {when} measured: the distance from which on it stays under 1 % of that at distance 0, "
        "or the tokens of the longest text where it does not fall so low within it; median over seeds.",
    )


def _reach(records: Sequence[Recorded], when: Literal["first", "last"]) -> float | None:
    """A horizon of a run; where the gradient was not gone within the text, the tokens of that text."""
    curves = [
        (moment.step, record.x)
        for record, moment in records
        if isinstance(record, Curve) and record.name == f"{NORM}_layer_1" and record.x
    ]
    if not curves:
        return None
    step, distances = curves[0 if when == "first" else -1]
    horizons = (
        record.value
        for record, moment in records
        if isinstance(record, Scalar) and record.name == f"{HORIZON}_layer_1" and moment.step == step
    )
    return next(horizons, distances[-1] + 1)


def _figure(
    studies: Sequence[StudyView],
    value: Callable[[StudyView, Group], float | None],
    column: ReportColumn,
    *,
    name: str,
    caption: str,
) -> Figure:
    key, places = _places(studies)
    rows: tuple[Row, ...] = tuple(
        {"data": places[id(study)], "architecture": group.architecture, "value": value(study, group)}
        for study in studies
        for group in study.best
    )
    looks = Palette(
        "architecture", {name: style for study in studies for name, style in study.styles.items()}
    )
    return Figure(
        name=f"{name} in study {studies[0].name} by {key}",
        caption=caption,
        charts={"": _chart(rows, key, column, looks)},
        rows=rows,
        keys=("data", "architecture", "value"),
        columns=(ReportColumn(key), ReportColumn("architecture"), column),
        listed=lambda row: row["value"] is not None,
    )


def _chart(rows: Sequence[Row], key: str, column: ReportColumn, looks: Palette) -> dict[str, Any]:
    numbers = all(is_number(row["data"]) for row in rows)
    ticks = sorted({float(row["data"] or 0) for row in rows}) if numbers else alt.Undefined
    beyond = alt.Scale(domain=[0, 100]) if column.unit == "%" else alt.Scale(zero=True)
    base = (
        over_rows()
        .transform_filter("isValid(datum.value)")
        .encode(
            x=alt.X(
                f"data:{'Q' if numbers else 'N'}",
                title=key,
                sort=None,
                scale=alt.Scale(type="log", nice=False, padding=12) if numbers else alt.Undefined,
                axis=alt.Axis(values=ticks, labelAngle=0 if numbers else -30, labelLimit=160),
            ),
            y=alt.Y("value:Q", title=[column.title, column.unit], scale=beyond),
            color=looks.colour,
            tooltip=[
                "architecture:N",
                alt.Tooltip("data:N", title=key),
                alt.Tooltip("value:Q", format=",.4~g"),
            ],
        )
    )
    if not numbers:
        # Datasets without an order: side by side, and no line that would say what lies between them.
        base = base.encode(xOffset="architecture:N")
    marks = base.mark_point(filled=True, size=60, opacity=1).encode(shape=looks.shape)
    return finished(*([base.mark_line(strokeWidth=2)] if numbers else []), marks, height=PANEL)


def _places(studies: Sequence[StudyView]) -> tuple[str, dict[int, Any]]:
    """What tells the datasets apart, and the place of each: a number where one number does it."""
    tables = [study.chapter.entries[0].run.settings.get("data", {}) for study in studies]
    keys = dict.fromkeys(key for table in tables for key in table)
    different = [key for key in keys if len({str(table.get(key)) for table in tables}) > 1]
    if len(different) == 1 and all(is_number(table.get(different[0])) for table in tables):
        return different[0], {
            id(study): table[different[0]] for study, table in zip(studies, tables, strict=True)
        }
    return "dataset", {id(study): study.chapter.title for study in studies}
