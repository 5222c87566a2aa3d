"""How far back gradients reach: their norm over the distance from the last position."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import altair as alt

from seqlab.report.chapters import Chapter, Entry
from seqlab.report.charts.chart_style import HEIGHT, PANEL, Figure, Palette, Panel, Row, finished, over_rows
from seqlab.report.charts.learning_curves import palette
from seqlab.report.tables import ReportColumn
from seqlab.schema.records import Curve, Record, Scalar

RECORDED = re.compile(
    r"(?:final_)?(gradient_through_time|mean_gradient_through_time|gradient_horizon)_layer_(\d+)"
)
"""Names of records; layers are counted from the input's side."""
SHOWN = 1e-6
"""Share of a figure's largest value that is the lower edge of its charts."""
LABELS = "format(datum.value, datum.value < 0.01 ? '.0e' : '~g')"
"""How Vega writes a power of ten."""


@dataclass
class _Line:
    """The last measurement of one layer of a run on a split."""

    entry: Entry
    layer: int
    norms: Curve
    of_mean: dict[float, float] = field(default_factory=dict)
    horizon: float | None = None


def through_time(chapter: Chapter) -> list[Figure]:
    """One figure for each split on which gradients were measured, a panel for each layer."""
    found: dict[str, list[_Line]] = {}
    for entry in chapter.entries:
        for split, line in _last(entry):
            found.setdefault(split, []).append(line)
    return [
        _figure(chapter, split, lines)
        for split, lines in found.items()
        if any(max(one.norms.y) for one in lines)
    ]


def _last(entry: Entry) -> list[tuple[str, _Line]]:
    found: dict[tuple[str, int], _Line] = {}
    for record, _ in entry.run.records:
        named = _named(record)
        if named is None:
            continue
        kind, place = named
        match record:
            case Curve() if kind == "gradient_through_time" and record.x:
                found[place] = _Line(entry, place[1], record)
            case Curve() if place in found:
                found[place].of_mean = dict(zip(record.x, record.y, strict=True))
            case Scalar() if place in found:
                found[place].horizon = record.value
    return [(split, line) for (split, _), line in found.items()]


def _named(record: Record) -> tuple[str, tuple[str, int]] | None:
    """What a record is, with its split and layer; None: nothing of gradients through time."""
    match = RECORDED.fullmatch(record.name)
    if match is None or not isinstance(record, Curve | Scalar):
        return None
    return match[1], (record.split, int(match[2]))


def _figure(chapter: Chapter, split: str, lines: Sequence[_Line]) -> Figure:
    rows: tuple[Row, ...] = tuple(row for line in lines for row in _rows(line))
    layers = sorted({line.layer for line in lines})
    several = len(layers) > 1
    looks = palette(chapter, shown=not several)
    chart = _chart(looks, rows, lines[0].norms, height=PANEL if several else HEIGHT, faint=chapter.many)
    return Figure(
        name=f"gradient through time on {chapter.title}, {split}",
        caption=_caption(chapter, split, several),
        charts={"": chart},
        rows=rows,
        keys=("run", "label", "layer", "x", "value", "of_mean"),
        legend=looks.keys,
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


def _rows(line: _Line) -> list[Row]:
    entry = line.entry
    return [
        {
            "run": entry.number,
            "label": entry.label,
            "architecture": entry.architecture,
            "layer": line.layer,
            "x": int(x),
            "value": y,
            "of_mean": line.of_mean.get(x),
            "horizon": int(x) if x == line.horizon else None,
        }
        for x, y in zip(line.norms.x, line.norms.y, strict=True)
    ]


def _chart(
    looks: Palette, rows: Sequence[Row], curve: Curve, *, height: int, faint: bool
) -> dict[str, object]:
    values = [float(row["value"] or 0) for row in rows]
    lowest = max(min(value for value in values if value > 0), SHOWN * max(values))
    domain = alt.Scale(type="log", domain=[lowest, max(values) * 1.5], nice=False)
    base = (
        over_rows()
        .transform_calculate(shown=f"max(datum.value, {lowest})")
        .encode(
            x=alt.X(
                "x:Q", title=curve.x_unit, scale=alt.Scale(zero=True, nice=False), axis=alt.Axis(tickCount=8)
            ),
            y=alt.Y(
                "shown:Q",
                title=["gradient's norm", "nats per unit of the state"],
                scale=domain,
                axis=alt.Axis(tickCount=6, labelExpr=LABELS, labelOverlap=True),
            ),
            color=looks.colour,
            detail="run:N",
            tooltip=[
                alt.Tooltip("label:N", title="model"),
                "run:N",
                "layer:O",
                alt.Tooltip("x:Q", title=curve.x_unit),
                alt.Tooltip("value:Q", title="mean of norms", format=",.4~g"),
                alt.Tooltip("of_mean:Q", title="norm of mean", format=",.4~g"),
            ],
        )
    )
    dashes = looks.dash if any(style.dash for style in looks.styles.values()) else alt.Undefined
    line = base.encode(strokeDash=dashes).mark_line(
        strokeWidth=1 if faint else 2, opacity=0.4 if faint else 1
    )
    marks = base.transform_filter("isValid(datum.horizon)").encode(shape=looks.shape)
    return finished(line, marks.mark_point(filled=True, size=70, opacity=1), height=height)


def _caption(chapter: Chapter, split: str, several: bool) -> str:
    each = " a panel for each layer, the one next to the input first," if several else ""
    return (
        "Gradient of the loss at a row's last position with respect to the state so many tokens before "
        f"it,{each} when last measured; {split} split of {chapter.title}. Lines: the norm, averaged over the "
        "rows that reach so far back. A point: the horizon, from which on it stays under 1 % of that at "
        "distance 0; a line without one does not. What is under a millionth of the largest value lies on the "
        "lower edge."
    )
