"""Which runs can be ranked: chapters of comparable runs, named, sorted, numbered."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from seqlab.compare.comparable import CardDifference, comparable_groups, differences, refusal
from seqlab.report import naming
from seqlab.report.naming import architecture_of, labels, optimiser_of
from seqlab.report.run_data import RunData
from seqlab.report.styles import Style, Styles
from seqlab.runs.cards import Card
from seqlab.schema.errors import UserError
from seqlab.schema.metric_spec import MetricSpec

MANY_RUNS = 12
"""Runs of a chapter up to which each is shown by itself; of more, groups come first."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a study knows of a run: what it stands for, and why it came to no end."""

    architecture: str
    censored: str


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A run with its place on the page."""

    run: RunData
    number: int
    label: str
    """Shared with the runs that differ in nothing but the seed."""
    architecture: str
    optimiser: str
    style: Style
    results: Mapping[str, float]
    """Metrics on the validation split."""
    scored_as: str
    best_step: int | None
    censored: str
    """Why the results are not those of a run that came to its end; empty where they are."""

    @property
    def seed(self) -> int | None:
        """The seed it was trained with, None where that is not known."""
        return self.run.settings.get("seed")

    @property
    def baseline(self) -> bool:
        """Whether it was fitted without steps: it has no learning curve."""
        return "baseline" in self.run.settings


@dataclass(frozen=True)
class Chapter:
    """Runs whose numbers can be ranked, by architecture, then optimiser, the best first."""

    title: str
    entries: tuple[Entry, ...]
    quantity: MetricSpec
    """What the runs are judged by, on the validation split."""

    @property
    def runs(self) -> list[RunData]:
        """Its runs, in order."""
        return [entry.run for entry in self.entries]

    @property
    def many(self) -> bool:
        """Whether there are more runs than can be looked at one by one."""
        return len(self.entries) > MANY_RUNS

    def value(self, entry: Entry) -> float | None:
        """What a run is judged by; None where that was not scored."""
        return entry.results.get(self.quantity.name)

    def best(self) -> list[Entry]:
        """The best run of each architecture that came to its end."""
        ended = [one for one in self.entries if not one.censored and self.value(one) is not None]
        groups: dict[str, list[Entry]] = {}
        for entry in ended:
            groups.setdefault(entry.architecture, []).append(entry)
        return [
            min(group, key=lambda one: _loss(self.value(one), self.quantity)) for group in groups.values()
        ]


def chapters(
    runs: Sequence[RunData], *, told: Mapping[str, Told] | None = None, allow_incomparable: bool = False
) -> list[Chapter]:
    """Group, name, sort and number the runs of a page.

    Args:
        runs: in any order.
        told: what a study knows of them, by the names of their folders.
        allow_incomparable: whether runs that cannot be ranked with each other get a chapter each.

    Raises:
        UserError: they cannot be ranked, and `allow_incomparable` does not hold; what differs is named.
    """
    groups = comparable(runs)
    if not allow_incomparable:
        _check(groups)
    found: list[Chapter] = []
    styles, number = Styles(), 1
    for title, group in zip(_titles(groups), groups, strict=True):
        what = _judged_by(group)
        found.append(Chapter(title, _entries(group, what, told or {}, styles, number), what))
        number += len(group)
    return found


def comparable(runs: Sequence[RunData]) -> list[list[RunData]]:
    """Groups of runs whose numbers mean the same, by their cards of the validation split.

    A run that has none yet joins those on the same data with the same task; one that is damaged is alone.
    """
    cards = {str(place): card for place, run in enumerate(runs) if (card := _card(run)) is not None}
    groups = [[int(place) for place in group] for group in comparable_groups(cards)]
    for place, run in enumerate(runs):
        if str(place) in cards:
            continue
        alike = (g for g in groups if any(_measured_on(runs[other]) == _measured_on(run) for other in g))
        group = next(alike, None)
        if group is None:
            groups.append([place])
        else:
            group.append(place)
    return [[runs[place] for place in sorted(group)] for group in sorted(groups, key=min)]


def best(run: RunData) -> tuple[Mapping[str, float], str, int | None]:
    """Metrics on the validation split, how they were scored, and at which step.

    Of a finished run those of its best checkpoint; of another one those of its best validation so far.
    """
    if run.summary:
        scored_as = run.cards["valid"]["scored_as"] if "valid" in run.cards else "not recorded"
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


def _card(run: RunData) -> Card | None:
    return run.cards.get("valid") if run.summary and run.settings and run.data else None


def _measured_on(run: RunData) -> str:
    """Equal for runs on the same texts, cut, encoded and asked in the same way."""
    if not (run.settings and run.data):
        return str(run.folder.path)
    known = [run.data[key] for key in ("name", "content_hash")]
    return json.dumps([*known, run.settings.get("data"), run.settings.get("task", {}).get("kind")])


def _check(groups: Sequence[Sequence[RunData]]) -> None:
    """Raise where numbers of two groups would stand on one page as if they meant the same."""
    heads = [next((run for run in group if _card(run) is not None), None) for group in groups]
    cards = {run.folder.path.name: card for run in heads if run is not None and (card := _card(run))}
    words = refusal(cards)
    if words is not None:
        raise UserError(words)


def _judged_by(group: Sequence[RunData]) -> MetricSpec:
    """The metric that picked the runs' checkpoints; the loss where no run is finished."""
    found = next((run.summary["monitor"] for run in group if run.summary), None)
    if found is not None:
        return MetricSpec(**found)
    unit = next((unit for run in group if (unit := run.units("valid").get("loss"))), "")
    return MetricSpec(name="loss", unit=unit, better="lower")


def _entries(
    group: Sequence[RunData], what: MetricSpec, told: Mapping[str, Told], styles: Styles, number: int
) -> tuple[Entry, ...]:
    entries = [
        _entry(run, label, told.get(run.folder.path.name))
        for run, label in zip(group, labels(group), strict=True)
    ]
    entries.sort(key=lambda one: _rank(one, what))
    chosen = styles.of_chapter([(one.label, one.architecture) for one in entries])
    placed = enumerate(entries, start=number)
    return tuple(replace(entry, number=place, style=chosen[entry.label]) for place, entry in placed)


def _entry(run: RunData, label: str, told: Told | None) -> Entry:
    metrics, scored_as, step = best(run)
    ended = bool(run.summary)
    return Entry(
        run=run,
        number=0,
        label=label,
        architecture=told.architecture if told else architecture_of(run),
        optimiser=optimiser_of(run),
        style=Style("", "", ()),
        results=metrics,
        scored_as=scored_as,
        best_step=step,
        censored="" if ended else (told.censored if told else "") or "unfinished",
    )


def _rank(entry: Entry, what: MetricSpec) -> tuple[bool, str, str, bool, float]:
    loss = _loss(entry.results.get(what.name), what)
    return entry.baseline, entry.architecture, entry.optimiser, bool(entry.censored), loss


def _loss(value: float | None, what: MetricSpec) -> float:
    """A value turned so that less is better, missing ones last."""
    return math.inf if value is None else -what.gain(value)


def _titles(groups: Sequence[Sequence[RunData]]) -> list[str]:
    """Names of the datasets; where two are of one name, with what differs."""
    names = [_dataset(group[0]) for group in groups]
    titles = list(names)
    for name in {name for name in names if names.count(name) > 1}:
        same = [groups[index][0] for index, other in enumerate(names) if other == name]
        places = [index for index, other in enumerate(names) if other == name]
        for index, words in zip(places, _apart(same), strict=True):
            titles[index] = f"{name}, {words}"
    return titles


def _apart(runs: Sequence[RunData]) -> list[str]:
    """What tells runs on data of one name apart: settings of the data, else what their cards say."""
    parts = naming.differences([run.settings["data"] for run in runs])
    if all(parts):
        return [", ".join(words) for words in parts]
    unlike = differences([run.cards["valid"] for run in runs if "valid" in run.cards])
    if unlike and all("valid" in run.cards for run in runs):
        return [", ".join(_said(one, place) for one in unlike) for place in range(len(runs))]
    return [f"SHA-256 {run.data['content_hash'][:12] if run.data else 'unknown'}" for run in runs]


def _said(difference: CardDifference, place: int) -> str:
    return f"{difference.what.removeprefix('the ')} {difference.values[place]}"


def _dataset(run: RunData) -> str:
    name = run.data["name"] if run.data else "unknown data"
    return name if run.settings and run.data else f"{name}, damaged run {run.folder.path.name}"
