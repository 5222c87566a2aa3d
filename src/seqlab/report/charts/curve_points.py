"""The points of learning curves: thinned, and the middle of groups of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from seqlab.report.chapters import Chapter, Entry
from seqlab.report.charts.chart_style import Row
from seqlab.schema.records import Moment, Scalar

AXES = {"step": "optimiser steps", "epoch": "epochs", "seconds": "seconds of training"}
"""Fields of a row that a curve can be drawn over, with the title of the axis."""
POINTS = 300
"""Points a line has at most: of longer ones evenly spaced records are drawn."""
ROWS = 20_000
"""Points that all lines of a figure have together, at most."""
LEAST_RUNS = 3
"""Runs from which on their median is drawn."""
_GRID = 40


def most_points(chapter: Chapter, name: str, splits: Sequence[str]) -> int:
    """Points a line of a figure may have."""
    lines = sum(bool(entry.run.scalars(name, split)) for entry in chapter.entries for split in splits)
    return max(2, min(POINTS, ROWS // max(lines, 1)))


def of_runs(chapter: Chapter, name: str, splits: Sequence[str], most: int) -> list[Row]:
    """What was recorded of a number: every run, every split."""
    return [row for one in chapter.entries for split in splits for row in _of_run(one, name, split, most)]


def _of_run(entry: Entry, name: str, split: str, most: int) -> Iterator[Row]:
    for record, moment in thinned(entry.run.scalars(name, split), most):
        seconds = entry.run.seconds(moment.step)
        yield {
            "kind": "run",
            "run": entry.number,
            "label": entry.label,
            "architecture": entry.architecture,
            "optimiser": entry.optimiser,
            "split": split,
            "step": moment.step,
            "epoch": moment.epoch,
            "seconds": None if seconds is None else round(seconds, 3),
            "value": record.value,
        }


def thinned(found: list[tuple[Scalar, Moment]], most: int) -> list[tuple[Scalar, Moment]]:
    """At most so many of the points, evenly spaced, the first and the last among them."""
    if len(found) <= most:
        return found
    spacing = (len(found) - 1) / (most - 1)
    return [found[round(index * spacing)] for index in range(most)]


def baselines(chapter: Chapter, name: str) -> list[Row]:
    """Runs without a curve: one value each."""
    found: dict[str, float] = {}
    for entry in chapter.entries:
        if entry.baseline and name in entry.results:
            found.setdefault(entry.label, entry.results[name])
    nothing = dict.fromkeys(("run", "architecture", "optimiser", "step", "epoch", "seconds"))
    return [
        {"kind": "baseline", "label": label, "split": "valid", **nothing, "value": value}
        for label, value in found.items()
    ]


def medians(rows: Sequence[Row], by: str, kind: str) -> list[Row]:
    """The median of the lines of each group and split, over each axis, at least half of them being there.

    Between its points a line is straight. A group has at least `LEAST_RUNS` lines.

    Args:
        rows: those of `of_runs`.
        by: field that the groups differ in.
        kind: of the rows returned.
    """
    groups: dict[tuple[str, str], dict[int, list[Row]]] = {}
    for row in rows:
        lines = groups.setdefault((str(row[by]), str(row["split"])), {})
        lines.setdefault(int(row["run"] or 0), []).append(row)
    return [
        _median(line[0], axis, by, kind, place=place, value=middle)
        for lines in groups.values()
        if len(lines) >= LEAST_RUNS
        for axis in AXES
        for line in [next(iter(lines.values()))]
        for place, middle in _middle([_line(points, axis) for points in lines.values()])
    ]


def _median(like: Row, axis: str, by: str, kind: str, *, place: float, value: float) -> Row:
    nothing = dict.fromkeys(("run", "label", "architecture", "optimiser", *AXES))
    return {**nothing, "kind": kind, by: like[by], "split": like["split"], axis: place, "value": value}


def _line(points: Sequence[Row], axis: str) -> list[tuple[float, float]]:
    return [(float(row[axis] or 0), float(row["value"] or 0)) for row in points if row[axis] is not None]


def _middle(lines: Sequence[Sequence[tuple[float, float]]]) -> Iterator[tuple[float, float]]:
    """(place, median of the lines there)."""
    lines = [line for line in lines if line]
    if len(lines) < LEAST_RUNS:
        return
    places = sorted({place for line in lines for place, _ in line})
    if len(places) > _GRID:
        places = np.linspace(places[0], places[-1], _GRID).tolist()
    values = np.array(
        [np.interp(places, *zip(*line, strict=True), left=np.nan, right=np.nan) for line in lines]
    )
    there = np.isfinite(values)
    for index in np.flatnonzero(2 * there.sum(axis=0) >= len(lines)):
        middle = float(np.median(values[there[:, index], index]))
        yield float(places[index]), middle
