"""Learning curves: of all runs together, of each architecture, of each optimizer, of each run."""

from __future__ import annotations

from dataclasses import replace

from seqlab.report.chapters import Chapter
from seqlab.report.charts.chart_style import PANEL_HEIGHT, column_values, value_scale
from seqlab.report.charts.curve_captions import caption_of_all, caption_of_groups, caption_of_one
from seqlab.report.charts.curve_charts import charts_over_axes
from seqlab.report.charts.figure import Figure, Panel
from seqlab.report.charts.palette import architecture_palette, run_palette
from seqlab.report.charts.recorded_number import (
    HORIZON,
    MEDIAN,
    OPTIMIZER_MEDIAN,
    SAMPLES,
    RecordedNumber,
    recorded_number,
)
from seqlab.report.tables import ReportColumn, words


def learning_figures(chapter: Chapter) -> list[Figure]:
    """The loss, then every other validation metric, with the values on training where they were recorded."""
    units = {
        name: unit for run in chapter.runs for split in ("train", "valid") for name, unit in run.names(split)
    }
    metrics = dict.fromkeys(
        name for run in chapter.runs for name, _ in run.names("valid") if not name.startswith(HORIZON)
    )
    figures: list[Figure] = []
    # The loss is first, in whatever order the numbers were recorded.
    for name in dict.fromkeys(["loss", *metrics]):
        in_training = any(run.scalars(name, "train") for run in chapter.runs)
        splits = ("train", "valid") if in_training else ("valid",)
        number = recorded_number(chapter, name, units.get(name, ""), splits)
        if any(row["kind"] == "run" for row in number.rows):
            overview = _all_runs(number)
            figures.append(overview)
            figures += _views(number, overview) if name in ("loss", chapter.monitor.name) else []
    return figures


def recorded_figure(chapter: Chapter, name: str) -> Figure | None:
    """One figure of any recorded number: on the training split, and on one other split.

    Of several other splits it shows the validation split, or else the first on which it was recorded; None
    where no run of the chapter recorded it.
    """
    units = {split: unit for run in chapter.runs for (n, split), unit in run.recorded.items() if n == name}
    others = sorted(units.keys() - {"train"}, key=lambda split: split != "valid")
    splits = tuple(split for split in ("train", *others[:1]) if split in units)
    number = recorded_number(chapter, name, next(iter(units.values()), ""), splits)
    return _all_runs(number) if any(row["kind"] == "run" for row in number.rows) else None


def sample_figures(chapter: Chapter) -> list[Figure]:
    """Every number counted on samples during training."""
    units = {name: unit for run in chapter.runs for name, unit in run.names(SAMPLES)}
    return _overviews([recorded_number(chapter, name, units[name], (SAMPLES,)) for name in units])


def horizon_figures(chapter: Chapter) -> list[Figure]:
    """Gradient horizons of each layer during training, where they were measured."""
    units = {name: unit for run in chapter.runs for name, unit in run.names("valid")}
    names = sorted(name for name in units if name.startswith(HORIZON))
    figures = [_all_runs(recorded_number(chapter, name, units[name], ("valid",))) for name in names]
    note = "No point: the gradient does not fall below 1 % within the longest text."
    return [replace(figure, caption=f"{figure.caption} {note}") for figure in figures]


def optimisation_figures(chapter: Chapter) -> list[Figure]:
    """Every number recorded in training only: gradient norm, learning rate."""
    units = {name: unit for run in chapter.runs for name, unit in run.names("train")}
    scored = {"loss", *(name for run in chapter.runs for name, _ in run.names("valid"))}
    return _overviews(
        [recorded_number(chapter, name, units[name], ("train",)) for name in units if name not in scored]
    )


def _overviews(numbers: list[RecordedNumber]) -> list[Figure]:
    return [_all_runs(number) for number in numbers if number.rows]


def _all_runs(number: RecordedNumber) -> Figure:
    """One figure of all runs: each on its own where there are few, else faint with medians."""
    many = number.chapter.grouped
    palette = run_palette(number.chapter)
    scale = value_scale(column_values(number.rows))
    return Figure(
        name=number.title,
        caption=caption_of_all(number),
        charts=charts_over_axes(number, palette, scale, many=many, median=MEDIAN),
        rows=number.rows,
        keys=("run", "label", "split", "step", "epoch", "seconds", "value"),
        columns=(
            ReportColumn("run"),
            ReportColumn("model"),
            ReportColumn("split"),
            ReportColumn("step"),
            ReportColumn("epoch"),
            ReportColumn("training", "s"),
            ReportColumn(words(number.name), number.unit),
        ),
        listed=lambda row: row["kind"] == "run",
        legend=palette.items,
        wide=number.chapter.many,
    )


def _views(number: RecordedNumber, overview: Figure) -> list[Figure]:
    """The same lines by architecture, by optimizer and run by run, where that shows more."""
    chapter = number.chapter
    networks = sum(not entry.baseline for entry in chapter.entries)
    figures = [
        _grouped(number, overview, field, median)
        for field, median in (("architecture", MEDIAN), ("optimizer", OPTIMIZER_MEDIAN))
        if 1 < number.count_groups(field) < networks
    ]
    return [*figures, _run_by_run(number, overview)] if chapter.many else figures


def _grouped(number: RecordedNumber, overview: Figure, field: str, median: str) -> Figure:
    chapter, many = number.chapter, number.chapter.grouped
    palette = run_palette(chapter, legend=False)
    groups = dict.fromkeys(str(row[field]) for row in number.rows if row["kind"] == "run")
    scale = value_scale(column_values(number.rows), fixed=True)
    return replace(
        overview,
        name=f"{number.title}, by {field}",
        caption=caption_of_groups(number, field),
        charts=charts_over_axes(number, palette, scale, many=many, median=median, height=PANEL_HEIGHT),
        source=overview.name,
        by=field,
        panels=tuple(Panel(group, group) for group in groups),
        legend=palette.items,
        wide=True,
    )


def _run_by_run(number: RecordedNumber, overview: Figure) -> Figure:
    """One run at a time, which the reader chooses."""
    palette = architecture_palette(number.chapter, legend=False)
    panels = tuple(
        Panel(
            f"Run {entry.number}: {entry.label}{'' if entry.seed is None else f', seed {entry.seed}'}",
            entry.number,
        )
        for entry in number.chapter.entries
        if not entry.baseline
    )
    scale = value_scale(column_values(number.rows), fixed=True)
    return replace(
        overview,
        name=f"{number.title}, run by run",
        caption=caption_of_one(number),
        charts=charts_over_axes(number, palette, scale, many=False, median=""),
        source=overview.name,
        wide=True,
        by="run",
        panels=panels,
        choice=True,
    )
