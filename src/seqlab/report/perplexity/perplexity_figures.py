"""Perplexity over epochs and over seconds: of each experiment, architecture and optimizer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import altair as alt

from seqlab.report.chapters import Chapter, Entry
from seqlab.report.charts.chart_style import HEIGHT, PANEL_HEIGHT, column_values, finite
from seqlab.report.charts.curve_charts import charts_over_axes
from seqlab.report.charts.curve_points import MOST_POINTS
from seqlab.report.charts.figure import Figure, Panel, Row
from seqlab.report.charts.palette import Palette
from seqlab.report.charts.recorded_number import RecordedNumber
from seqlab.report.perplexity.experiments import experiments
from seqlab.report.perplexity.perplexity_curves import (
    MEAN_OF_TRAINING,
    PERPLEXITY,
    PerplexityCurve,
    PerplexityPoint,
)
from seqlab.report.run_styles import COLOURS, SHAPES, Style, StyleBook
from seqlab.report.tables import ReportColumn

Role = Literal["architecture", "optimizer"]
HORIZONTAL = {"epoch": "epochs", "seconds": "seconds"}
"""Horizontal axes, as names of figures have them."""
MOST_LINES = 14
"""Experiments of a figure up to which each has its own entry in the legend."""
MOST_EXPERIMENTS = 60
"""Runs of a chapter up to which each has its own panel."""
_LOGARITHMIC = 3
"""Ratio of the highest to the lowest perplexity from which on the axis is logarithmic."""
_TRAINING, _VALIDATION = "training", "validation"
_CURVES = {
    _TRAINING: Style(COLOURS[1], SHAPES[1], (5, 3)),
    _VALIDATION: Style(COLOURS[0], SHAPES[0], ()),
}
_SECONDS = (
    "They include the validations, but neither loading and interruptions nor the final evaluation."
)


def role_figures(chapter: Chapter) -> list[Figure]:
    """All validation curves of each architecture and of each optimizer, over epochs and over seconds."""
    roles: tuple[Role, ...] = ("architecture", "optimizer")
    return [
        figure
        for role in roles
        for value in dict.fromkeys(getattr(entry, role) for entry in _drawn(chapter))
        for figure in _role_figures(chapter, role, value)
    ]


def experiment_figures(chapter: Chapter) -> list[Figure]:
    """A panel for each run with both curves: a figure over epochs, another one over seconds."""
    rows = _rows(chapter, ("train", "valid"))
    shown = {row["run"] for row in rows}
    if not rows or len(shown) > MOST_EXPERIMENTS:
        return []
    panels = tuple(
        Panel(f"Run {entry.number}: {_marked(entry)}{_seed(chapter, entry)}", entry.number)
        for entry in _drawn(chapter)
        if entry.number in shown
    )
    number = RecordedNumber(chapter, PERPLEXITY.name, PERPLEXITY.unit, ("train", "valid"), rows, rules="")
    figures = _over_axes(
        number,
        Palette("curve", _CURVES, symbols="lines"),
        f"perplexity of each experiment on {chapter.title}",
        f"Perplexity of each experiment on the training and the validation split of {chapter.title}. "
        f"{MEAN_OF_TRAINING}",
        height=PANEL_HEIGHT,
    )
    return [replace(figure, by="run", panels=panels, wide=True) for figure in figures]


def _role_figures(chapter: Chapter, role: Role, value: str) -> list[Figure]:
    entries = [entry for entry in _drawn(chapter) if getattr(entry, role) == value]
    rows = tuple(row for row in _rows(chapter, ("valid",)) if row[role] == value)
    if not rows:
        return []
    number = RecordedNumber(chapter, PERPLEXITY.name, PERPLEXITY.unit, ("valid",), rows, rules="")
    palette = _palette(chapter, entries, role)
    figures = _over_axes(
        number,
        palette,
        f"validation perplexity, {role} {value}, on {chapter.title}",
        f"Validation perplexity of all runs with the {role} {value} on {chapter.title}. "
        f"{_colours(role, palette)}{_without_curve(entries, rows)}",
        height=HEIGHT,
    )
    return [replace(figure, legend=palette.items) for figure in figures]


def _over_axes(
    number: RecordedNumber, palette: Palette, name: str, caption: str, *, height: int
) -> list[Figure]:
    """A figure for each horizontal axis; the second one shares the numbers of the first."""
    every = _rows(number.chapter, number.splits)
    scale, cut = _scale(number.chapter, every)
    charts = charts_over_axes(number, palette, scale, many=False, median="", height=height)
    figures = [
        Figure(
            name=f"{name}, over {title}",
            caption=" ".join(
                part
                for part in (
                    caption.strip(),
                    f"Horizontal axis: {title} of training.",
                    _SECONDS if axis == "seconds" else "",
                    cut,
                )
                if part
            ),
            charts={"": charts[axis]},
            rows=number.rows,
            keys=("run", "label", "curve", "step", "epoch", "seconds", "value"),
            columns=(
                ReportColumn("run"),
                ReportColumn("experiment"),
                ReportColumn("curve"),
                ReportColumn("step"),
                ReportColumn("epoch"),
                ReportColumn("training", "s"),
                ReportColumn(PERPLEXITY.name, PERPLEXITY.unit),
            ),
        )
        for axis, title in HORIZONTAL.items()
        if axis in charts
    ]
    return [figures[0], *(replace(figure, source=figures[0].name) for figure in figures[1:])]


def _drawn(chapter: Chapter) -> list[Entry]:
    return [entry for each in experiments(chapter) for entry in each.entries]


def _rows(chapter: Chapter, splits: Sequence[str]) -> tuple[Row, ...]:
    """A row for each finite perplexity of these splits, at most `MOST_POINTS` validations of each run."""
    return tuple(
        {
            "kind": "run",
            "run": entry.number,
            "label": _marked(entry),
            "architecture": entry.architecture,
            "optimizer": entry.optimizer,
            "split": split,
            "curve": _TRAINING if split == "train" else _VALIDATION,
            "step": point.moment.step,
            "epoch": point.moment.epoch,
            "seconds": None if point.seconds is None else round(point.seconds, 3),
            "value": value,
        }
        for entry in _drawn(chapter)
        for split in splits
        for point in _thin(PerplexityCurve(entry.run).points)
        if (value := point.train if split == "train" else point.valid) is not None and _is_drawable(value)
    )


def _thin(points: Sequence[PerplexityPoint]) -> list[PerplexityPoint]:
    if len(points) <= MOST_POINTS:
        return list(points)
    spacing = (len(points) - 1) / (MOST_POINTS - 1)
    return [points[round(index * spacing)] for index in range(MOST_POINTS)]


def _is_drawable(value: float) -> bool:
    """Whether a perplexity is finite, also after the 5 % of room at the end of an axis."""
    return math.isfinite(value) and finite(value * 2) == value * 2


def _scale(chapter: Chapter, rows: Sequence[Row]) -> tuple[alt.Scale, str]:
    """The vertical axis of all figures with these curves, and what its end cuts off.

    It ends at the highest value of a finished run: that of a diverged run may be a million times as high.
    """
    finished = {entry.number for entry in _drawn(chapter) if not entry.censored}
    values = column_values([row for row in rows if row["run"] in finished] or rows)
    low, high = min(values), max(values)
    log = high > _LOGARITHMIC * low
    margin = 1.05 if log else 1 + 0.05 * (high - low) / high
    scale = alt.Scale(
        type="log" if log else "linear", domain=[low / margin, high * margin], zero=False, nice=False
    )
    kind = "The vertical axis is logarithmic" if log else "The vertical axis does not begin at 0"
    cut = any(value > high for value in column_values(rows))
    end = ", and ends at the highest value of a finished run" if cut else ""
    return scale, f"{kind}{end}."


def _palette(chapter: Chapter, entries: Sequence[Entry], role: Role) -> Palette:
    """Colours of the other role; where there are few experiments, dashes and shapes tell each of them."""
    other: Role = "optimizer" if role == "architecture" else "architecture"
    book = StyleBook()
    for value in dict.fromkeys(getattr(entry, other) for entry in _drawn(chapter)):
        book.of_architecture(value)
    named = {_marked(entry): str(getattr(entry, other)) for entry in entries}
    if len(named) <= MOST_LINES:
        return Palette("label", book.of_members(named), symbols="points")
    return Palette(other, {value: book.of_architecture(value) for value in dict.fromkeys(named.values())})


def _colours(role: Role, palette: Palette) -> str:
    other = "optimizer" if role == "architecture" else "architecture"
    each = "dashes and points the experiment" if palette.field == "label" else "runs are not told apart"
    return f"Colours show the {other}, {each}."


def _marked(entry: Entry) -> str:
    """The label of a run, with how it ended where it has no result."""
    ending = entry.censored.partition(":")[0]
    return f"{entry.label} ({ending})" if ending else entry.label


def _seed(chapter: Chapter, entry: Entry) -> str:
    several = any(other.label == entry.label and other is not entry for other in chapter.entries)
    return f", seed {entry.seed}" if several else ""


def _without_curve(entries: Sequence[Entry], rows: Sequence[Row]) -> str:
    """The runs that have no point, such as one that diverged before its first validation."""
    shown = {row["run"] for row in rows}
    missing = [f"run {e.number}, {_marked(e)}" for e in entries if e.number not in shown]
    return f" Without a curve: {'; '.join(missing)}." if missing else ""
