"""A study over several datasets: results, success, speed and gradient horizons by dataset."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Any, Literal

import altair as alt

from seqlab.comparison.study import Group
from seqlab.comparison.study_steps import counts_steps, steps_to_success
from seqlab.report.charts.chart_style import PANEL_HEIGHT, layered, over_rows
from seqlab.report.charts.figure import Figure, Row
from seqlab.report.charts.palette import Palette
from seqlab.report.charts.recorded_number import HORIZON
from seqlab.report.run_data import TimedRecord
from seqlab.report.study.chapter_study import ChapterStudy, is_number
from seqlab.report.tables import ReportColumn, capitalized, words
from seqlab.schema.records import Curve, Scalar

GRADIENT = "gradient_through_time"
"""Prefix of the names of curves over the distance from the last position."""

GroupValue = Callable[[ChapterStudy, Group], float | None]


def across_datasets(studies: Sequence[ChapterStudy]) -> list[Figure]:
    """Figures with a position for each dataset; [] for one dataset, and none without any value."""
    if len(studies) < 2:
        return []
    figures = [
        _medians(studies),
        _success(studies),
        _steps(studies),
        _horizons(studies, "first"),
        _horizons(studies, "last"),
    ]
    return [figure for figure in figures if any(row["value"] is not None for row in figure.rows)]


def _medians(studies: Sequence[ChapterStudy]) -> Figure:
    metric = studies[0].monitor
    name = words(metric.name)
    return _figure(
        studies,
        lambda study, group: group.summary.median,
        ReportColumn(name, metric.unit),
        name=name,
        caption=f"{capitalized(name)} of each architecture's best setting, median over seeds.",
    )


def _success(studies: Sequence[ChapterStudy]) -> Figure:
    def percent(study: ChapterStudy, group: Group) -> float | None:
        return None if study.about.get("success") is None else 100 * group.summary.share

    return _figure(
        studies,
        percent,
        ReportColumn("seeds that succeed", "%"),
        name="successes",
        caption="Percentage of seeds that succeed, for each architecture's best setting.",
    )


def _steps(studies: Sequence[ChapterStudy]) -> Figure:
    # Computed once per study, because it reads the records of all its runs.
    counted = {id(study) for study in studies if counts_steps(study)}

    def steps(study: ChapterStudy, group: Group) -> float | None:
        return steps_to_success(group, study) if id(study) in counted else None

    return _figure(
        studies,
        steps,
        ReportColumn("steps to success", "steps"),
        name="steps to success",
        caption="Optimizer steps until the first validation that is a success, median over seeds. No point: "
        "most seeds had no success.",
    )


def _horizons(studies: Sequence[ChapterStudy], when: Literal["first", "last"]) -> Figure:
    def horizon(study: ChapterStudy, group: Group) -> float | None:
        records = {entry.run.folder.path.name: entry.run.records for entry in study.chapter.entries}
        horizons = [
            _horizon(records[cell.run.name], when) for cell in group.cells if cell.run.name in records
        ]
        known = [value for value in horizons if value is not None]
        return statistics.median(known) if known else None

    return _figure(
        studies,
        horizon,
        ReportColumn(f"horizon at the {when} measurement", "tokens"),
        name=f"{when} gradient horizons",
        caption="Gradient horizon of the layer next to the input, at the "
        f"{when} measurement: the distance from which on the norm of the gradient stays below 1 % of its "
        "value at distance 0, or the length of the longest text where it does not fall that low; median over "
        "seeds.",
    )


def _horizon(records: Sequence[TimedRecord], when: Literal["first", "last"]) -> float | None:
    """The horizon of a run; the number of distances measured where the gradient did not vanish."""
    curves = [
        (moment.step, record.x)
        for record, moment in records
        if isinstance(record, Curve) and record.name == f"{GRADIENT}_layer_1" and record.x
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
    studies: Sequence[ChapterStudy], value: GroupValue, column: ReportColumn, *, name: str, caption: str
) -> Figure:
    key, datasets = _datasets(studies)
    rows: tuple[Row, ...] = tuple(
        {"data": datasets[id(study)], "architecture": group.architecture, "value": value(study, group)}
        for study in studies
        for group in study.best
    )
    styles = {architecture: style for study in studies for architecture, style in study.styles.items()}
    return Figure(
        name=f"{name} in study {studies[0].name} by {key}",
        caption=caption,
        charts={"": _chart(rows, key, column, Palette("architecture", styles))},
        rows=rows,
        keys=("data", "architecture", "value"),
        columns=(ReportColumn(key), ReportColumn("architecture"), column),
        listed=lambda row: row["value"] is not None,
    )


def _chart(rows: Sequence[Row], key: str, column: ReportColumn, palette: Palette) -> dict[str, Any]:
    numbers = all(is_number(row["data"]) for row in rows)
    scale = alt.Scale(domain=[0, 100]) if column.unit == "%" else alt.Scale(zero=True)
    base = (
        over_rows()
        .transform_filter("isValid(datum.value)")
        .encode(
            x=_number_axis(rows, key) if numbers else _name_axis(key),
            y=alt.Y("value:Q", title=[column.title, column.unit], scale=scale),
            color=palette.colour,
            tooltip=[
                "architecture:N",
                alt.Tooltip("data:N", title=key),
                alt.Tooltip("value:Q", format=",.4~g"),
            ],
        )
    )
    points = base.mark_point(filled=True, size=60, opacity=1).encode(shape=palette.shape)
    if numbers:
        return layered(base.mark_line(strokeWidth=2), points, height=PANEL_HEIGHT, zoom=("x", "y"))
    # Named datasets have no order, so a line between them would have no meaning.
    return layered(points.encode(xOffset="architecture:N"), height=PANEL_HEIGHT)


def _number_axis(rows: Sequence[Row], key: str) -> alt.X:
    ticks = sorted({float(row["data"] or 0) for row in rows})
    scale = alt.Scale(type="log", nice=False, padding=12)
    axis = alt.Axis(values=ticks, labelAngle=0, labelLimit=160)
    return alt.X("data:Q", title=key, sort=None, scale=scale, axis=axis)


def _name_axis(key: str) -> alt.X:
    return alt.X("data:N", title=key, sort=None, axis=alt.Axis(labelAngle=-30, labelLimit=160))


def _datasets(studies: Sequence[ChapterStudy]) -> tuple[str, dict[int, Any]]:
    """What distinguishes the datasets, and its value for each study: a number where one number is enough."""
    # The runs of a chapter have equal data, so its first run is enough. By id, as studies cannot be hashed.
    tables = [study.chapter.entries[0].run.settings.get("data", {}) for study in studies]
    keys = dict.fromkeys(key for table in tables for key in table)
    differing = [key for key in keys if len({str(table.get(key)) for table in tables}) > 1]
    if len(differing) == 1 and all(is_number(table.get(differing[0])) for table in tables):
        key = differing[0]
        return key, {id(study): table[key] for study, table in zip(studies, tables, strict=True)}
    return "dataset", {id(study): study.chapter.title for study in studies}
