"""Learning curves: of all runs together, of each architecture, each optimiser, each run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import altair as alt

import seqlab.report.charts.curve_points as curves
from seqlab.report.chapters import Chapter
from seqlab.report.charts.chart_style import (
    GREY,
    HEIGHT,
    PANEL,
    Figure,
    Palette,
    Panel,
    Row,
    finished,
    over_rows,
    rules,
    scale,
)
from seqlab.report.charts.curve_points import AXES, LEAST_RUNS
from seqlab.report.run_styles import FEW
from seqlab.report.tables import ReportColumn, words

HORIZON = "gradient_horizon"
"""Beginning of the names of horizons, which are no metrics."""
SAMPLES = "samples"
"""What stands for the split of numbers that are counted in samples."""
MEDIAN, OF_OPTIMISERS = "median", "median of an optimiser"
"""Kinds of rows: the middle of an architecture's runs, and of an optimiser's."""


@dataclass(frozen=True)
class _Curve:
    """One number over training, with everything its charts need."""

    chapter: Chapter
    name: str
    unit: str
    splits: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def what(self) -> str:
        return f"{words(self.name)} on {self.chapter.title}"

    @property
    def scored(self) -> str | None:
        """The split that was scored from time to time; None where training alone is shown."""
        return next((split for split in self.splits if split != "train"), None)

    @property
    def title(self) -> list[str]:
        return (
            [words(self.name), self.unit] if self.unit not in ("", words(self.name)) else [words(self.name)]
        )


def palette(chapter: Chapter, *, shown: bool = True) -> Palette:
    """The looks of a chapter's runs: by label where there are few, else by architecture."""
    labels = {entry.label: entry.style for entry in chapter.entries if not entry.baseline}
    if len(labels) <= FEW:
        return Palette("label", labels, shown)
    return architectures(chapter, shown=shown)


def architectures(chapter: Chapter, *, shown: bool = True) -> Palette:
    """The looks of a chapter's architectures."""
    found = {
        one.architecture: replace(one.style, dash=()) for one in reversed(chapter.entries) if not one.baseline
    }
    return Palette("architecture", dict(reversed(found.items())), shown)


def learning(chapter: Chapter) -> list[Figure]:
    """Loss of training and validation, then every other validation metric, with training where scored."""
    units = {
        name: unit for run in chapter.runs for split in ("train", "valid") for name, unit in run.names(split)
    }
    metrics = dict.fromkeys(
        name for run in chapter.runs for name, _ in run.names("valid") if not name.startswith(HORIZON)
    )
    found: list[Figure] = []
    for name in dict.fromkeys(["loss", *metrics]):
        both = any(run.scalars(name, "train") for run in chapter.runs)
        splits = ("train", "valid") if both else ("valid",)
        curve = _curve(chapter, name, units.get(name, ""), splits)
        if any(row["kind"] == "run" for row in curve.rows):
            whole = _all_runs(curve)
            found.append(whole)
            found += _views(curve, whole) if name in ("loss", chapter.quantity.name) else []
    return found


def of_samples(chapter: Chapter) -> list[Figure]:
    """Every number that was counted in samples while training."""
    units = {name: unit for run in chapter.runs for name, unit in run.names(SAMPLES)}
    found = [_curve(chapter, name, units[name], (SAMPLES,)) for name in units]
    return [_all_runs(curve) for curve in found if curve.rows]


def horizons(chapter: Chapter) -> list[Figure]:
    """How far back gradients reached over training, layer by layer, where that was measured."""
    units = {name: unit for run in chapter.runs for name, unit in run.names("valid")}
    found = [
        _curve(chapter, name, units[name], ("valid",)) for name in sorted(units) if name.startswith(HORIZON)
    ]
    return [
        replace(figure, caption=f"{figure.caption} No point: not under 1 % within the longest text.")
        for figure in map(_all_runs, found)
    ]


def optimisation(chapter: Chapter) -> list[Figure]:
    """Every number recorded of training alone: gradient norm, learning rate."""
    units = {name: unit for run in chapter.runs for name, unit in run.names("train")}
    scored = {"loss", *(name for run in chapter.runs for name, _ in run.names("valid"))}
    found = [_curve(chapter, name, units[name], ("train",)) for name in units if name not in scored]
    return [_all_runs(curve) for curve in found if curve.rows]


def _curve(chapter: Chapter, name: str, unit: str, splits: tuple[str, ...]) -> _Curve:
    most = curves.most_points(chapter, name, splits)
    rows = curves.of_runs(chapter, name, splits, most)
    middles = curves.medians(rows, "architecture", MEDIAN) if chapter.many else []
    if chapter.many and _groups(chapter, "optimiser") > 1:
        middles += curves.medians(rows, "optimiser", OF_OPTIMISERS)
    standing = curves.baselines(chapter, name) if "valid" in splits else []
    return _Curve(chapter, name, unit, splits, (*rows, *middles, *standing))


def _all_runs(curve: _Curve) -> Figure:
    """One figure of all runs: each by itself where there are few, else faint, with their medians."""
    many = curve.chapter.many
    looks = architectures(curve.chapter) if many else palette(curve.chapter)
    return Figure(
        name=curve.what,
        caption=" ".join(part for part in (_opening(curve), _meaning(curve), _thinned(curve)) if part),
        charts=_over_axes(curve, looks, many=many, kind=MEDIAN, domain=scale(_values(curve))),
        rows=curve.rows,
        keys=("run", "label", "split", "step", "epoch", "seconds", "value"),
        columns=(
            ReportColumn("run"),
            ReportColumn("model"),
            ReportColumn("split"),
            ReportColumn("step"),
            ReportColumn("epoch"),
            ReportColumn("training", "s"),
            ReportColumn(words(curve.name), curve.unit),
        ),
        listed=lambda row: row["kind"] == "run",
        legend=looks.keys,
        wide=many,
    )


def _views(curve: _Curve, whole: Figure) -> list[Figure]:
    """The same lines by architecture and by optimiser, and each run alone, where that shows more."""
    chapter, found = curve.chapter, []
    for field, kind in (("architecture", MEDIAN), ("optimiser", OF_OPTIMISERS)):
        if 1 < _groups(chapter, field) < len(chapter.entries) - sum(one.baseline for one in chapter.entries):
            found.append(_by(curve, whole, field, kind))
    return [*found, _one_run(curve, whole)] if chapter.many else found


def _groups(chapter: Chapter, field: str) -> int:
    return len({getattr(entry, field) for entry in chapter.entries if not entry.baseline})


def _by(curve: _Curve, whole: Figure, field: str, kind: str) -> Figure:
    chapter, many = curve.chapter, curve.chapter.many
    looks = architectures(chapter, shown=False) if many else palette(chapter, shown=False)
    values = dict.fromkeys(str(row[field]) for row in curve.rows if row["kind"] == "run")
    middle = (
        f"Strong: the median of those at hand, where there are {LEAST_RUNS} or more; dashed, that of "
        "training."
        if many
        else ""
    )
    opening = (
        f"{_capital(words(curve.name))} by {field} on {chapter.title}, {curve.unit}; all with the same axis."
    )
    lines = "Validation of each run." if many else _meaning(curve)
    domain = scale(_values(curve), fixed=True)
    return replace(
        whole,
        name=f"{curve.what}, by {field}",
        caption=f"{opening} {lines} {middle}".strip(),
        charts=_over_axes(curve, looks, many=many, kind=kind, domain=domain, height=PANEL),
        source=whole.name,
        by=field,
        panels=tuple(Panel(value, value) for value in values),
        legend=looks.keys,
        wide=True,
    )


def _one_run(curve: _Curve, whole: Figure) -> Figure:
    chapter = curve.chapter
    looks = architectures(chapter, shown=False)
    panels = tuple(
        Panel(f"Run {one.number}: {one.label}{'' if one.seed is None else f', seed {one.seed}'}", one.number)
        for one in chapter.entries
        if not one.baseline
    )
    caption = f"{_opening(curve)} The run chosen above, alone. {_meaning(_few(curve))}"
    domain = scale(_values(curve), fixed=True)
    charts = _over_axes(curve, looks, many=False, kind="", domain=domain)
    name = f"{curve.what}, run by run"
    only = replace(whole, name=name, caption=caption, charts=charts, source=whole.name, wide=True)
    return replace(only, by="run", panels=panels, choice=True)


def _few(curve: _Curve) -> _Curve:
    """The curve as if it were of few runs: for the words on one of them."""
    return replace(curve, chapter=replace(curve.chapter, entries=curve.chapter.entries[:1]))


def _opening(curve: _Curve) -> str:
    return f"{_capital(curve.what)}{f', {curve.unit}' if curve.unit else ''}."


def _meaning(curve: _Curve) -> str:
    both = len(curve.splits) > 1
    middle = f"the median of an architecture's runs, {LEAST_RUNS} or more, while half of them last"
    standing = any(row["kind"] == "baseline" for row in curve.rows)
    line = " A grey rule: a baseline, which is fitted without steps." if standing else ""
    if curve.chapter.many:
        shown = {None: "training", SAMPLES: "samples"}.get(curve.scored, "validation")
        dashed = " Dashed: the same of training, the mean since the record before." if both else ""
        return f"Faint lines: {shown} of each run. Strong: {middle}.{dashed}{line}"
    if both:
        return f"Thin lines: training, the mean since the record before. Lines with points: validation.{line}"
    if curve.scored == SAMPLES:
        return "Counted in samples drawn with each validation."
    return f"Scored on the validation split while training.{line}" if curve.scored else ""


def _thinned(curve: _Curve) -> str:
    most = curves.most_points(curve.chapter, curve.name, curve.splits)
    lengths = [len(run.scalars(curve.name, split)) for run in curve.chapter.runs for split in curve.splits]
    return f"Of longer records {most}, evenly spaced, are drawn." if max(lengths, default=0) > most else ""


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _values(curve: _Curve) -> list[float]:
    return [float(row["value"] or 0) for row in curve.rows]


def _over_axes(
    curve: _Curve, looks: Palette, *, many: bool, kind: str, domain: alt.Scale, height: int = HEIGHT
) -> dict[str, dict[str, Any]]:
    return {
        axis: _chart(curve, looks, axis, many=many, kind=kind, domain=domain, height=height)
        for axis in AXES
        if any(row[axis] is not None for row in curve.rows)
    }


def _chart(
    curve: _Curve, looks: Palette, axis: str, *, many: bool, kind: str, domain: alt.Scale, height: int
) -> dict[str, Any]:
    base = over_rows().encode(
        x=alt.X(
            axis,
            type="quantitative",
            title=AXES[axis],
            scale=alt.Scale(zero=True, nice=False),
            axis=alt.Axis(tickCount=8 if height == HEIGHT else 5, labelOverlap=True, labelFlush=True),
        ),
        y=alt.Y("value", type="quantitative", title=curve.title, scale=domain,
                axis=alt.Axis(tickCount=6, labelOverlap=True)),
        color=looks.colour,
        tooltip=[
            alt.Tooltip("label:N", title="model"),
            alt.Tooltip("run:N", title="run"),
            alt.Tooltip("split:N"),
            alt.Tooltip(axis, type="quantitative", title=AXES[axis], format=","),
            alt.Tooltip("value:Q", title=", ".join(curve.title), format=",.6~g"),
        ],
    )  # fmt: skip
    lines = _faint(curve, base, axis, kind) if many else _each(curve, base, looks, axis)
    standing = rules("y") if any(row["kind"] == "baseline" for row in curve.rows) else []
    return finished(*lines, *standing, height=height)


def _each(curve: _Curve, base: alt.Chart, looks: Palette, axis: str) -> list[alt.Chart]:
    layers: list[alt.Chart] = []
    dashes = looks.dash if any(style.dash for style in looks.styles.values()) else alt.Undefined
    if "train" in curve.splits:
        thin = len(curve.splits) > 1
        width, opacity = (1.2, 0.65) if thin else (1.6, 0.9)
        train = _only(base, axis, "run", "train").encode(detail="run:N", strokeDash=dashes)
        layers.append(train.mark_line(strokeWidth=width, opacity=opacity))
        if _single(curve, "train"):
            layers.append(train.mark_point(filled=True, size=30, opacity=1))
    if curve.scored:
        valid = _only(base, axis, "run", curve.scored).encode(detail="run:N", strokeDash=dashes)
        marks = _only(base, axis, "run", curve.scored).mark_point(filled=True, size=52, opacity=1)
        layers += [valid.mark_line(strokeWidth=2.2), marks.encode(shape=looks.shape)]
    return layers


def _single(curve: _Curve, split: str) -> bool:
    """Whether there is a line of one point, which would not be seen."""
    return any(len(run.scalars(curve.name, split)) == 1 for run in curve.chapter.runs)


def _faint(curve: _Curve, base: alt.Chart, axis: str, kind: str) -> list[alt.Chart]:
    split = curve.scored or "train"
    runs = _only(base, axis, "run", split).encode(detail="run:N")
    layers = [runs.mark_line(strokeWidth=1, opacity=0.3)]
    for which in curve.splits:
        dash, width = ([5, 3], 1.8) if which != split else ([1, 0], 3)
        middle = _only(base, axis, kind, which)
        if kind == OF_OPTIMISERS:
            middle = middle.encode(color=alt.value(GREY))
        layers.append(middle.mark_line(strokeWidth=width, strokeDash=dash))
    return layers


def _only(base: alt.Chart, axis: str, kind: str, split: str) -> alt.Chart:
    """The rows of one kind and split that have a place on the axis."""
    wanted = f"datum.kind === '{kind}' && datum.split === '{split}' && isValid(datum.{axis})"
    return base.transform_filter(wanted)
