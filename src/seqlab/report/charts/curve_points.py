"""The points of learning curves: thinned records, and medians over groups of runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np

from seqlab.report.chapters import LEAST_RUNS, Chapter, Entry
from seqlab.report.charts.figure import Row

AXES = {"step": "optimizer steps", "epoch": "epochs", "seconds": "seconds of training"}
"""Fields of a row that can be the horizontal axis of a curve, with the titles of the axes."""
MOST_POINTS = 300
"""Largest number of points per line; of more records, evenly spaced ones are drawn."""
MOST_ROWS = 20_000
"""Largest number of points of all lines of a figure together."""
_GRID = 40
"""Largest number of points of a median's line."""

Point = TypeVar("Point")
Line = list[tuple[float, float]]
"""Points (x, y) of a line."""


def points_per_line(chapter: Chapter, name: str, splits: Sequence[str]) -> int:
    """Largest number of points per line in a figure of this number."""
    lines = sum(bool(entry.run.scalars(name, split)) for entry in chapter.entries for split in splits)
    # At least the first and the last point of each line.
    return max(2, min(MOST_POINTS, MOST_ROWS // max(lines, 1)))


def run_rows(chapter: Chapter, name: str, splits: Sequence[str]) -> list[Row]:
    """The records of a number on these splits, of every run, thinned."""
    most = points_per_line(chapter, name, splits)
    return [
        row for entry in chapter.entries for split in splits for row in _entry_rows(entry, name, split, most)
    ]


def _entry_rows(entry: Entry, name: str, split: str, most: int) -> Iterator[Row]:
    for record, moment in thin(entry.run.scalars(name, split), most):
        seconds = entry.run.seconds(moment.step)
        yield {
            "kind": "run",
            "run": entry.number,
            "label": entry.label,
            "architecture": entry.architecture,
            "optimizer": entry.optimizer,
            "split": split,
            "step": moment.step,
            "epoch": moment.epoch,
            "seconds": None if seconds is None else round(seconds, 3),
            "value": record.value,
        }


def thin(records: list[Point], most: int) -> list[Point]:
    """At most this many records, evenly spaced, including the first and the last."""
    if len(records) <= most:
        return records
    spacing = (len(records) - 1) / (most - 1)
    return [records[round(index * spacing)] for index in range(most)]


def baseline_rows(chapter: Chapter, name: str) -> list[Row]:
    """Baselines and ensembles, which have no curve: one value per label."""
    values: dict[str, float] = {}
    for entry in chapter.entries:
        if (entry.baseline or entry.ensemble) and name in entry.results:
            values.setdefault(entry.label, entry.results[name])
    empty = dict.fromkeys(("run", "architecture", "optimizer", *AXES))
    return [
        {"kind": "baseline", "label": label, "split": "valid", **empty, "value": value}
        for label, value in values.items()
    ]


def median_rows(rows: Sequence[Row], by: str, kind: str) -> list[Row]:
    """The median of the lines of each group and split, over each axis.

    Lines are interpolated linearly. The median is taken where at least half of a group's lines are defined,
    of groups with at least `LEAST_RUNS` lines.

    Args:
        rows: those of `run_rows`.
        by: the field that defines the groups.
        kind: the kind of the rows returned.
    """
    groups: dict[tuple[str, str], dict[int, list[Row]]] = {}
    for row in rows:
        lines = groups.setdefault((str(row[by]), str(row["split"])), {})
        lines.setdefault(int(row["run"] or 0), []).append(row)
    return [
        _median_row(kind, {by: group, "split": split}, axis, point)
        for (group, split), lines in groups.items()
        if len(lines) >= LEAST_RUNS
        for axis in AXES
        for point in _median_line([_line(points, axis) for points in lines.values()])
    ]


def _median_row(kind: str, group: Row, axis: str, point: tuple[float, float]) -> Row:
    empty = dict.fromkeys(("run", "label", "architecture", "optimizer", *AXES))
    return {**empty, "kind": kind, **group, axis: point[0], "value": point[1]}


def _line(points: Sequence[Row], axis: str) -> Line:
    return [(float(row[axis] or 0), float(row["value"] or 0)) for row in points if row[axis] is not None]


def _median_line(lines: Sequence[Line]) -> Iterator[tuple[float, float]]:
    lines = [line for line in lines if line]
    if len(lines) < LEAST_RUNS:
        return
    positions = sorted({x for line in lines for x, _ in line})
    if len(positions) > _GRID:
        positions = np.linspace(positions[0], positions[-1], _GRID).tolist()
    # A line is not a number outside its own ends: a run that stopped early must not be extrapolated.
    values = np.array(
        [np.interp(positions, *zip(*line, strict=True), left=np.nan, right=np.nan) for line in lines]
    )
    defined = np.isfinite(values)
    for index in np.flatnonzero(2 * defined.sum(axis=0) >= len(lines)):
        median = float(np.median(values[defined[:, index], index]))
        yield float(positions[index]), median
