"""How far back gradients reach: their norm over the distance from the last position."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import altair as alt

from seqlab.report.chapters import Chapter, Entry
from seqlab.report.charts.chart_style import HEIGHT, PANEL_HEIGHT, column_values, layered, over_rows
from seqlab.report.charts.figure import Figure, Panel, Row
from seqlab.report.charts.palette import Palette, run_palette
from seqlab.report.tables import ReportColumn, split_title
from seqlab.schema.records import Curve, Record, Scalar

GRADIENT_RECORD = re.compile(
    r"(?:final_)?(gradient_through_time|mean_gradient_through_time|gradient_horizon)_layer_(\d+)"
)
"""Names of records; layer 1 is next to the input."""
MEASURES = ("mean of norms", "norm of mean")
"""What is rescaled: of each row's gradient, and of the average one."""
LOWEST_SHARE = 1e-6
"""Lower edge of a chart, as a share of the figure's largest value; zeros have no logarithm."""
TICK_LABELS = "format(datum.value, datum.value < 0.01 ? '.0e' : '~g')"
"""A Vega expression that formats powers of ten."""


@dataclass
class _LayerLine:
    """The last measurement of one layer of a run on a split.

    norms: the gradient's norm, mean over rows. norm_of_mean: the norm of the mean gradient, by distance.
    """

    entry: Entry
    layer: int
    norms: Curve
    norm_of_mean: dict[float, float] = field(default_factory=dict)
    horizon: float | None = None


def gradient_figures(chapter: Chapter) -> list[Figure]:
    """One figure for each split on which gradients were measured, with a panel for each layer."""
    lines: dict[str, list[_LayerLine]] = {}
    for entry in chapter.entries:
        for split, line in _last_lines(entry):
            lines.setdefault(split, []).append(line)
    return [
        _figure(chapter, split, of_split)
        for split, of_split in lines.items()
        if any(max(line.norms.y) for line in of_split)
    ]


def rescaled_gradient_figures(chapter: Chapter) -> list[Figure]:
    """One figure for each split: all layers of all runs in one chart, each line divided by its largest value.

    One panel is of the norm of each row, averaged, the other of the norm of the average gradient.
    """
    lines: dict[str, list[_LayerLine]] = {}
    for entry in chapter.entries:
        for split, line in _last_lines(entry):
            lines.setdefault(split, []).append(line)
    figures = [_rescaled(chapter, split, of_split) for split, of_split in lines.items()]
    return [figure for figure in figures if figure.rows]


def _rescaled(chapter: Chapter, split: str, lines: Sequence[_LayerLine]) -> Figure:
    rows: list[Row] = []
    for line in lines:
        norms = dict(zip(line.norms.x, line.norms.y, strict=True))
        for measure, values in zip(MEASURES, (norms, line.norm_of_mean), strict=True):
            largest = max(values.values(), default=0.0)
            shares = {x: y / largest for x, y in values.items()} if largest else {}
            rows += [
                {**_run_row(line), "measure": measure, "x": int(x), "value": y} for x, y in shares.items()
            ]
    several = len({line.layer for line in lines}) > 1
    palette = run_palette(chapter, legend=False)
    shared = min(max(line.norms.x) for line in lines)
    chart = _rescaled_lines(palette, lines[0].norms.x_unit, several=several, shared=shared)
    return Figure(
        name=f"rescaled gradient through time on {chapter.title}, {split}",
        caption="The same gradients, each line divided by its largest value, so that models and layers can "
        f"be compared; {split_title(split)} of {chapter.title}. Left: norm of each row's gradient, averaged "
        "over rows. Right: norm of the gradient averaged over rows, in which rows that differ in direction "
        "cancel each other. The axis begins with the distances that all lines have; zooming out shows more."
        + (" Dashes distinguish the layers." if several else ""),
        charts={"": layered(chart, height=HEIGHT, zoom=("x", "y"))},
        rows=tuple(rows),
        keys=("run", "label", "layer", "measure", "x", "value"),
        legend=palette.items,
        columns=(
            ReportColumn("run"),
            ReportColumn("model"),
            ReportColumn("layer"),
            ReportColumn("measure"),
            ReportColumn("distance", "tokens"),
            ReportColumn("share", "of the largest"),
        ),
        by="measure",
        panels=tuple(Panel(measure[:1].upper() + measure[1:], measure) for measure in MEASURES),
        wide=True,
    )


def _rescaled_lines(palette: Palette, x_title: str, *, several: bool, shared: float) -> alt.Chart:
    legend = alt.Legend(title="layer", orient="top", direction="horizontal", symbolStrokeWidth=2.5)
    scale = alt.Scale(domain=[0, max(shared, 1)], nice=False)
    base = over_rows().encode(
        x=alt.X("x:Q", title=x_title, scale=scale, axis=alt.Axis(tickCount=8)),
        y=alt.Y("value:Q", title=["gradient norm", "share of the largest"], scale=alt.Scale(domain=[0, 1])),
        color=palette.colour,
        detail=["run:N", "layer:O"],
        tooltip=[
            alt.Tooltip("label:N", title="model"),
            "run:N",
            "layer:O",
            alt.Tooltip("x:Q", title=x_title),
            alt.Tooltip("value:Q", title="share of the largest", format=",.4~g"),
        ],
    )
    dash = alt.StrokeDash("layer:O", legend=legend)
    return (base.encode(strokeDash=dash) if several else base).mark_line(strokeWidth=2, clip=True)


def _run_row(line: _LayerLine) -> Row:
    entry = line.entry
    return {
        "run": entry.number,
        "label": entry.label,
        "architecture": entry.architecture,
        "layer": line.layer,
    }


def _last_lines(entry: Entry) -> list[tuple[str, _LayerLine]]:
    lines: dict[tuple[str, int], _LayerLine] = {}
    for record, _ in entry.run.records:
        parsed = _parse_name(record)
        if parsed is None:
            continue
        # The norms are recorded first, so later records of the same layer complete their line.
        kind, key = parsed
        match record:
            case Curve() if kind == "gradient_through_time" and record.x:
                lines[key] = _LayerLine(entry, key[1], record)
            case Curve() if key in lines:
                lines[key].norm_of_mean = dict(zip(record.x, record.y, strict=True))
            case Scalar() if key in lines:
                lines[key].horizon = record.value
    return [(split, line) for (split, _), line in lines.items()]


def _parse_name(record: Record) -> tuple[str, tuple[str, int]] | None:
    """The kind of a record, with its split and layer; None for other records."""
    match = GRADIENT_RECORD.fullmatch(record.name)
    if match is None or not isinstance(record, Curve | Scalar):
        return None
    return match[1], (record.split, int(match[2]))


def _figure(chapter: Chapter, split: str, lines: Sequence[_LayerLine]) -> Figure:
    rows: tuple[Row, ...] = tuple(row for line in lines for row in _rows(line))
    layers = sorted({line.layer for line in lines})
    several = len(layers) > 1
    palette = run_palette(chapter, legend=not several)
    height = PANEL_HEIGHT if several else HEIGHT
    chart = layered(
        *_layers(palette, rows, lines[0].norms.x_unit, faint=chapter.many), height=height, zoom=("x", "y")
    )
    return Figure(
        name=f"gradient through time on {chapter.title}, {split}",
        caption=_caption(chapter, split, several=several),
        charts={"": chart},
        rows=rows,
        keys=("run", "label", "layer", "x", "value", "norm_of_mean"),
        legend=palette.items,
        columns=(
            ReportColumn("run"),
            ReportColumn("model"),
            ReportColumn("layer"),
            ReportColumn("distance", "tokens"),
            ReportColumn("mean of norms", "nats per unit of the state"),
            ReportColumn("norm of mean", "nats per unit of the state"),
        ),
        by="layer" if several else "",
        panels=tuple(Panel(f"Layer {layer}", layer) for layer in layers) if several else (),
        wide=several,
    )


def _rows(line: _LayerLine) -> list[Row]:
    return [
        {
            **_run_row(line),
            "x": int(x),
            "value": y,
            "norm_of_mean": line.norm_of_mean.get(x),
            "horizon": int(x) if x == line.horizon else None,
        }
        for x, y in zip(line.norms.x, line.norms.y, strict=True)
    ]


def _layers(palette: Palette, rows: Sequence[Row], x_title: str, *, faint: bool) -> list[alt.Chart]:
    base = _base(palette, rows, x_title)
    dash = palette.dash if palette.dashed else alt.Undefined
    lines = base.encode(strokeDash=dash).mark_line(strokeWidth=1 if faint else 2, opacity=0.4 if faint else 1)
    horizons = base.transform_filter("isValid(datum.horizon)").encode(shape=palette.shape)
    return [lines, horizons.mark_point(filled=True, size=70, opacity=1)]


def _base(palette: Palette, rows: Sequence[Row], x_title: str) -> alt.Chart:
    values = column_values(rows)
    lowest = max(min(value for value in values if value > 0), LOWEST_SHARE * max(values))
    scale = alt.Scale(type="log", domain=[lowest, max(values) * 1.5], nice=False)
    return (
        over_rows()
        .transform_calculate(shown=f"max(datum.value, {lowest})")
        .encode(
            x=alt.X("x:Q", title=x_title, scale=alt.Scale(zero=True, nice=False), axis=alt.Axis(tickCount=8)),
            y=alt.Y(
                "shown:Q",
                title=["gradient norm", "nats per unit of the state"],
                scale=scale,
                axis=alt.Axis(tickCount=6, labelExpr=TICK_LABELS, labelOverlap=True),
            ),
            color=palette.colour,
            detail="run:N",
            tooltip=[
                alt.Tooltip("label:N", title="model"),
                "run:N",
                "layer:O",
                alt.Tooltip("x:Q", title=x_title),
                alt.Tooltip("value:Q", title="mean of norms", format=",.4~g"),
                alt.Tooltip("norm_of_mean:Q", title="norm of mean", format=",.4~g"),
            ],
        )
    )


def _caption(chapter: Chapter, split: str, *, several: bool) -> str:
    panels = " One panel per layer, the layer next to the input first." if several else ""
    return (
        "Gradient of the loss at the last position of a row with respect to the state a number of tokens "
        f"earlier, at the last measurement; {split_title(split)} of {chapter.title}.{panels} Lines: the "
        "norm, averaged over all rows that are long enough. Point: the horizon, the distance from which on "
        "the norm stays below 1 % of its value at distance 0; a line without a point has none. Values below "
        "a millionth of the largest are drawn at the lower edge."
    )
