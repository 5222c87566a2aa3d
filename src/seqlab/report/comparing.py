"""Which runs can be compared: chapters of runs measured on the same data, named, sorted, numbered."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seqlab.report.naming import architecture_of, differences, labels
from seqlab.report.reading import Run

COLOURS = ("#3b7dd8", "#cf6a0a", "#1f9254", "#d0457f", "#8467d7", "#17899a", "#a46a3f", "#7a828e")
"""At least 3 to 1 against the light and against the dark page, so that both show the same colours."""
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right")
Styles = dict[tuple[str, int], int]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A run with its place on the page."""

    run: Run
    number: int
    label: str
    """Shared with the runs that differ in nothing but the seed."""
    style: int
    """Index of colour and shape; an architecture has the same one in all chapters."""
    results: Mapping[str, float]
    """Metrics on the validation split."""
    scored_as: str
    best_step: int | None

    @property
    def seed(self) -> int | None:
        """The seed it was trained with, None where that is not known."""
        return self.run.settings.get("seed")

    @property
    def colour(self) -> str:
        """Hexadecimal colour."""
        return COLOURS[self.style % len(COLOURS)]

    @property
    def shape(self) -> str:
        """Vega's name of the point's shape; it differs where colours come round again."""
        return SHAPES[self.style % len(SHAPES)]


@dataclass(frozen=True)
class Chapter:
    """Runs measured on the same data, finished ones first, the lowest loss first."""

    title: str
    entries: tuple[Entry, ...]

    @property
    def runs(self) -> list[Run]:
        """Its runs, in order."""
        return [entry.run for entry in self.entries]


def chapters(runs: Sequence[Run]) -> list[Chapter]:
    """Group, name, sort and number the runs of a page."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(_measured_on(run), []).append(run)
    found: list[Chapter] = []
    styles: Styles = {}
    number = 1
    for title, group in zip(_titles(list(groups.values())), groups.values(), strict=True):
        found.append(Chapter(title, _entries(group, styles, number)))
        number += len(group)
    return found


def best(run: Run) -> tuple[Mapping[str, float], str, int | None]:
    """Metrics on the validation split, how they were scored, and at which step.

    Of a finished run those of its best checkpoint; of another one those of its best validation so far.
    """
    if run.summary:
        scored_as = run.cards.get("valid", {}).get("scored_as", "not recorded")
        return run.summary["metrics"], scored_as, run.summary["best_step"]
    losses = run.scalars("loss", "valid")
    if not losses:
        return {}, "not yet", None
    step = min(losses, key=lambda pair: pair[0].value)[1].step
    found = {
        name: record.value
        for name, _ in run.names("valid")
        for record, moment in run.scalars(name, "valid")
        if moment.step == step
    }
    return found, "best validation so far", step


def _entries(group: Sequence[Run], styles: Styles, number: int) -> tuple[Entry, ...]:
    named = list(zip(group, labels(group), strict=True))
    named.sort(key=lambda pair: (not pair[0].summary, best(pair[0])[0].get("loss", float("inf"))))
    chosen = _styles(named, styles)
    entries = []
    for place, (run, label) in enumerate(named):
        metrics, scored_as, step = best(run)
        entries.append(
            Entry(
                run=run,
                number=number + place,
                label=label,
                style=chosen[label],
                results=metrics,
                scored_as=scored_as,
                best_step=step,
            )
        )
    return tuple(entries)


def _styles(named: Sequence[tuple[Run, str]], styles: Styles) -> dict[str, int]:
    """A style for each label: that of its architecture, if no other label of the chapter has it."""
    chosen: dict[str, int] = {}
    seen: dict[str, int] = {}
    for run, label in named:
        if label not in chosen:
            architecture = architecture_of(run)
            seen[architecture] = seen.get(architecture, -1) + 1
            chosen[label] = styles.setdefault((architecture, seen[architecture]), len(styles))
    return chosen


def _measured_on(run: Run) -> str:
    """Equal for runs whose losses mean the same: same texts, cut, encoded and asked in the same way."""
    if not (run.settings and run.data):
        return str(run.folder.path)
    known = [run.data[key] for key in ("name", "content_hash")]
    return json.dumps([*known, run.settings.get("data"), run.settings.get("task", {}).get("kind")])


def _titles(groups: Sequence[Sequence[Run]]) -> list[str]:
    """Names of the datasets; where two are of one name, with the settings in which they differ."""
    names = [_dataset(group[0]) for group in groups]
    titles = list(names)
    for name in {name for name in names if names.count(name) > 1}:
        same = [index for index, other in enumerate(names) if other == name]
        parts = differences([groups[index][0].settings["data"] for index in same])
        for index, words in zip(same, parts, strict=True):
            hashed = f"SHA-256 {groups[index][0].data['content_hash'][:12]}"
            titles[index] = f"{name}, {', '.join(words) or hashed}"
    return titles


def _dataset(run: Run) -> str:
    name = run.data.get("name", "unknown data")
    return name if run.settings and run.data else f"{name}, damaged run {run.folder.path.name}"
