"""Learning curves: what was recorded of training and validation, over steps, epochs and seconds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import altair as alt

from seqlab.report.comparing import Chapter, Entry
from seqlab.report.look import Figure, Row, colours, finished, marked, over_rows, scale
from seqlab.report.tables import Column, words
from seqlab.schema.records import Moment, Scalar

AXES = {"step": "optimiser steps", "epoch": "epochs", "seconds": "seconds of training"}
"""Fields of a row that a curve can be drawn over, with the title of the axis."""
POINTS = 300
"""Points a line has at most: of longer ones evenly spaced records are drawn."""


def learning(chapter: Chapter) -> list[Figure]:
    """Loss of training and validation, then every other validation metric."""
    found = []
    units = {
        name: unit for run in chapter.runs for split in ("train", "valid") for name, unit in run.names(split)
    }
    metrics = dict.fromkeys(name for run in chapter.runs for name, _ in run.names("valid"))
    for name in dict.fromkeys(["loss", *metrics]):
        splits = ("train", "valid") if name == "loss" else ("valid",)
        meaning = (
            "Thin lines: training, the mean since the record before. Lines with points: validation."
            if name == "loss"
            else "Scored on the validation split while training."
        )
        found.append(_over_time(chapter, name, units.get(name, ""), splits, meaning))
    return [figure for figure in found if figure is not None]


def optimisation(chapter: Chapter) -> list[Figure]:
    """Every other number recorded of training: gradient norm, learning rate."""
    units = {name: unit for run in chapter.runs for name, unit in run.names("train")}
    found = [_over_time(chapter, name, units[name], ("train",), "") for name in units if name != "loss"]
    return [figure for figure in found if figure is not None]


def _over_time(chapter: Chapter, name: str, unit: str, splits: Sequence[str], meaning: str) -> Figure | None:
    rows = tuple(row for entry in chapter.entries for split in splits for row in _points(entry, name, split))
    if not rows:
        return None
    thinned = any(
        len(entry.run.scalars(name, split)) > POINTS for entry in chapter.entries for split in splits
    )
    what = f"{words(name)} on {chapter.title}"
    caption = [f"{what[0].upper()}{what[1:]}, {unit}.", meaning]
    caption += [f"Of longer records {POINTS}, evenly spaced, are drawn."] if thinned else []
    title = [words(name), unit] if unit != words(name) else [unit]
    return Figure(
        name=what,
        caption=" ".join(part for part in caption if part),
        charts={
            axis: _curves(chapter.entries, rows, axis, title, splits)
            for axis in AXES
            if any(row[axis] is not None for row in rows)
        },
        rows=rows,
        columns=(
            Column("run"),
            Column("model"),
            Column("split"),
            Column("step"),
            Column("epoch"),
            Column("training", "s"),
            Column(words(name), unit),
        ),
    )


def _points(entry: Entry, name: str, split: str) -> Iterator[Row]:
    for record, moment in _thinned(entry.run.scalars(name, split)):
        seconds = entry.run.seconds(moment.step)
        yield {
            "run": entry.number,
            "label": entry.label,
            "split": split,
            "step": moment.step,
            "epoch": moment.epoch,
            "seconds": None if seconds is None else round(seconds, 3),
            "value": record.value,
        }


def _thinned(found: list[tuple[Scalar, Moment]]) -> list[tuple[Scalar, Moment]]:
    if len(found) <= POINTS:
        return found
    spacing = (len(found) - 1) / (POINTS - 1)
    return [found[round(index * spacing)] for index in range(POINTS)]


def _curves(
    entries: Sequence[Entry], rows: Sequence[Row], axis: str, title: list[str], splits: Sequence[str]
) -> dict[str, Any]:
    base = over_rows().encode(
        x=alt.X(
            axis,
            type="quantitative",
            title=AXES[axis],
            scale=alt.Scale(zero=True, nice=False),
            axis=alt.Axis(tickCount=8, labelOverlap=True),
        ),
        y=alt.Y("value", type="quantitative", title=title, scale=scale(rows)),
        color=colours(entries),
        detail="run:N",
        tooltip=[
            alt.Tooltip("label:N", title="model"),
            alt.Tooltip("run:N", title="run"),
            alt.Tooltip("split:N"),
            alt.Tooltip(axis, type="quantitative", title=AXES[axis], format=","),
            alt.Tooltip("value:Q", title=", ".join(title), format=",.6~g"),
        ],
    )
    layers: list[alt.Chart] = []
    if "train" in splits:
        thin = len(splits) > 1
        width, opacity = (1.2, 0.65) if thin else (1.6, 0.9)
        train = base.transform_filter("datum.split === 'train'")
        layers.append(train.mark_line(strokeWidth=width, strokeOpacity=opacity))
    if "valid" in splits:
        valid = base.transform_filter("datum.split === 'valid'")
        layers += [valid.mark_line(strokeWidth=2.2), marked(valid, entries)]
    return finished(*layers)
