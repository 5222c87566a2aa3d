"""Perplexity over epochs and over seconds: of each experiment, architecture and optimizer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import altair as alt

from seqlab.report.chapters import Chapter, Entry
from seqlab.report.charts.chart_style import HEIGHT, PANEL_HEIGHT, finite
from seqlab.report.charts.curve_charts import charts_over_axes
from seqlab.report.charts.curve_points import MOST_POINTS, MOST_ROWS, thin
from seqlab.report.charts.figure import Figure, Panel, Row
from seqlab.report.charts.palette import Palette
from seqlab.report.charts.recorded_number import RecordedNumber
from seqlab.report.perplexity.perplexity_curves import (
    MEAN_OF_TRAINING,
    PERPLEXITY,
    PerplexityCurve,
    PerplexityPoint,
)
from seqlab.report.perplexity.runs_over_seeds import Role, RunsOverSeeds
from seqlab.report.run_styles import COLOURS, SHAPES, Style, StyleBook, member_styles
from seqlab.report.tables import ReportColumn

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
_NOTES = {
    "seconds": " They include the validations, but no loading, no interruptions and no final evaluation."
}
"""What captions say of a horizontal axis."""


def role_figures(chapter: Chapter, found: Sequence[RunsOverSeeds]) -> list[Figure]:
    """All validation curves of each architecture and of each optimizer, over epochs and over seconds."""
    roles: tuple[Role, ...] = ("architecture", "optimizer")
    scale, cut = _scale(_curves(found, ("valid",)))
    return [
        replace(figure, caption=f"{figure.caption} {cut}")
        for role in roles
        for value in dict.fromkeys(getattr(each, role) for each in found)
        for figure in _role_figures(chapter, found, role, value, scale)
    ]


def experiment_figures(chapter: Chapter, found: Sequence[RunsOverSeeds]) -> list[Figure]:
    """A panel for each run with both curves: a figure over epochs, another one over seconds."""
    curves = _curves(found, ("train", "valid"))
    shown = list(dict.fromkeys(curve.entry.number for curve in curves))
    if not 0 < len(shown) <= MOST_EXPERIMENTS:
        return []
    scale, cut = _scale(curves)
    panels = {
        entry.number: Panel(
            f"Run {entry.number}: {_marked(each.name, entry)}{_seed(each, entry)}", entry.number
        )
        for each in found
        for entry in each.entries
    }
    rows = [row for curve in curves for row in curve.rows(curve.experiment.name)]
    figures = _over_axes(
        RecordedNumber(chapter, PERPLEXITY.name, PERPLEXITY.unit, ("train", "valid"), tuple(rows), rules=""),
        Palette("curve", _CURVES, symbols="lines"),
        scale,
        f"perplexity of each experiment on {chapter.title}",
        f"Perplexity of each experiment on the training and the validation split of {chapter.title}. "
        f"{MEAN_OF_TRAINING}",
        height=PANEL_HEIGHT,
    )
    chosen = tuple(panels[number] for number in shown)
    return [
        replace(figure, caption=f"{figure.caption} {cut}", by="run", panels=chosen, wide=True)
        for figure in figures
    ]


def _role_figures(
    chapter: Chapter, found: Sequence[RunsOverSeeds], role: Role, value: str, scale: alt.Scale
) -> list[Figure]:
    """The figures of one architecture or optimizer; [] where none of its runs has a curve."""
    own = [each for each in found if getattr(each, role) == value]
    curves = _curves(own, ("valid",))
    if not curves:
        return []
    rows = [row for curve in curves for row in curve.rows(curve.experiment.name_beside(role))]
    palette = _palette(found, own, role)
    figures = _over_axes(
        RecordedNumber(chapter, PERPLEXITY.name, PERPLEXITY.unit, ("valid",), tuple(rows), rules=""),
        palette,
        scale,
        f"validation perplexity, {role} {value}, on {chapter.title}",
        f"Validation perplexity of all runs with the {role} {value} on {chapter.title}. "
        f"{_colours(role, palette)}{_without_curve(own, curves)}",
        height=HEIGHT,
    )
    return [replace(figure, legend=palette.items) for figure in figures]


def _over_axes(
    number: RecordedNumber, palette: Palette, scale: alt.Scale, name: str, caption: str, *, height: int
) -> list[Figure]:
    """A figure for each horizontal axis; the second one shares the numbers of the first."""
    charts = charts_over_axes(number, palette, scale, many=False, median="", height=height)
    figures = [
        Figure(
            name=f"{name}, over {title}",
            caption=f"{caption} Horizontal axis: {title} of training.{_NOTES.get(axis, '')}",
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


@dataclass(frozen=True)
class _Curve:
    """The finite perplexities of a run on one split, evenly spaced; at least one."""

    experiment: RunsOverSeeds
    entry: Entry
    split: str
    points: tuple[tuple[PerplexityPoint, float], ...]

    def rows(self, label: str) -> list[Row]:
        """A row for each point."""
        return [
            {
                "kind": "run",
                "run": self.entry.number,
                "label": _marked(label, self.entry),
                "architecture": self.entry.architecture,
                "optimizer": self.entry.optimizer,
                "split": self.split,
                "curve": _TRAINING if self.split == "train" else _VALIDATION,
                "step": point.moment.step,
                "epoch": point.moment.epoch,
                "seconds": None if point.seconds is None else round(point.seconds, 3),
                "value": value,
            }
            for point, value in self.points
        ]


def _curves(found: Sequence[RunsOverSeeds], splits: Sequence[str]) -> list[_Curve]:
    lines = len(splits) * sum(len(each.entries) for each in found)
    most = max(2, min(MOST_POINTS, MOST_ROWS // max(lines, 1)))
    curves = [
        _Curve(each, entry, split, _finite_points(entry, split, most))
        for each in found
        for entry in each.entries
        for split in splits
    ]
    return [curve for curve in curves if curve.points]


def _finite_points(entry: Entry, split: str, most: int) -> tuple[tuple[PerplexityPoint, float], ...]:
    points = PerplexityCurve(entry.run).points
    values = [point.train if split == "train" else point.valid for point in points]
    known = [
        (point, value)
        for point, value in zip(points, values, strict=True)
        if value is not None and _is_drawable(value)
    ]
    return tuple(thin(known, most))


def _is_drawable(value: float) -> bool:
    """Whether a perplexity is finite, also after the 5 % of room at the end of an axis."""
    return math.isfinite(value) and finite(value * 2) == value * 2


def _scale(curves: Sequence[_Curve]) -> tuple[alt.Scale, str]:
    """The vertical axis of all figures with these curves, and a sentence on it.

    It ends at the highest value of a finished run: that of a diverged run may be a million times as high.
    """
    every = [value for curve in curves for _, value in curve.points]
    finished = [value for curve in curves if not curve.entry.censored for _, value in curve.points]
    values = finished or every or [1.0]
    low, high = min(values), max(values)
    log = high > _LOGARITHMIC * low
    margin = 1.05 if log else 1 + 0.05 * (high - low) / high
    scale = alt.Scale(
        type="log" if log else "linear",
        domain=[low / margin, high * margin],
        # Vega-Lite warns of a logarithmic scale with a setting for zero.
        zero=alt.Undefined if log else False,
        nice=False,
    )
    kind = "The vertical axis is logarithmic" if log else "The vertical axis does not begin at 0"
    end = ", and ends at the highest value of a finished run" if max(every, default=high) > high else ""
    return scale, f"{kind}{end}."


def _palette(found: Sequence[RunsOverSeeds], own: Sequence[RunsOverSeeds], role: Role) -> Palette:
    """Colours of the other role; where there are few experiments, dashes and shapes distinguish them."""
    other: Role = "optimizer" if role == "architecture" else "architecture"
    bases = _base_styles(found, other)
    named = {
        _marked(each.name_beside(role), entry): str(getattr(each, other))
        for each in own
        for entry in each.entries
    }
    if len(named) <= MOST_LINES:
        return Palette("label", member_styles(named, bases), symbols="points")
    return Palette(other, {value: bases[value] for value in dict.fromkeys(named.values())})


def _base_styles(found: Sequence[RunsOverSeeds], role: Role) -> dict[str, Style]:
    """A style for each architecture, that of the rest of the page, or for each optimizer."""
    book, styles = StyleBook(), dict[str, Style]()
    for each in found:
        own = replace(each.entries[0].style, dash=())
        styles.setdefault(
            getattr(each, role), own if role == "architecture" else book.of_architecture(each.optimizer)
        )
    return styles


def _colours(role: Role, palette: Palette) -> str:
    other = "optimizer" if role == "architecture" else "architecture"
    each = "dashes and points the experiment" if palette.field == "label" else "runs are not distinguished"
    return f"Colours show the {other}, {each}."


def _marked(name: str, entry: Entry) -> str:
    """A name, with how the run ended where it has no result."""
    ending = entry.censored.partition(":")[0]
    return f"{name}, {ending}" if ending else name


def _seed(experiment: RunsOverSeeds, entry: Entry) -> str:
    return f", seed {entry.seed}" if len(experiment.entries) > 1 else ""


def _without_curve(own: Sequence[RunsOverSeeds], curves: Sequence[_Curve]) -> str:
    """The runs that have no point, such as one that diverged before its first validation."""
    shown = {curve.entry.number for curve in curves}
    missing = [
        f"run {entry.number}, {_marked(each.name, entry)}"
        for each in own
        for entry in each.entries
        if entry.number not in shown
    ]
    return f" Without a curve: {'; '.join(missing)}." if missing else ""
