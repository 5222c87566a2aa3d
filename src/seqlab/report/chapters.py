"""Which runs can be ranked with each other: chapters of comparable runs, labelled, sorted, numbered."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from seqlab.comparison.comparable import NOT_RECORDED, CardDifference, comparable_groups, differences, refusal
from seqlab.report.naming import architecture_of, labels, optimizer_of, setting_differences
from seqlab.report.run_data import RunData
from seqlab.report.run_styles import Style, StyleBook
from seqlab.runs.cards import Card
from seqlab.schema.errors import UserError
from seqlab.schema.metric_spec import MetricSpec
from seqlab.stats.ties import order_key

LEAST_RUNS = 3
"""Smallest number of runs whose median is drawn."""
MANY_RUNS = 12
"""Runs of a chapter up to which each is shown on its own; with more, groups come first."""


@dataclass(frozen=True, kw_only=True)
class RunLabel:
    """What only a study knows of a run: its architecture there, and why it did not finish."""

    architecture: str
    censored: str


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A run with its number, label and style on the page.

    label: shared by runs that differ only in their seed.
    results: metrics on the validation split.
    censored: why the results are not those of a finished run; empty for a finished run.
    """

    run: RunData
    number: int
    label: str
    architecture: str
    optimizer: str
    style: Style
    results: Mapping[str, float]
    scored_as: str
    best_step: int | None
    censored: str

    @property
    def seed(self) -> int | None:
        """The seed of the run; None where it is unknown."""
        return self.run.settings.get("seed")

    @property
    def baseline(self) -> bool:
        """Whether the run fitted a baseline, which has no steps and no learning curve."""
        return self.run.method == "baseline"

    @property
    def ensemble(self) -> bool:
        """Whether the run combines others, which have the steps and the learning curves."""
        return self.run.method == "ensemble"


@dataclass(frozen=True)
class Chapter:
    """Runs whose numbers can be ranked: by architecture, then by optimizer, the best first.

    monitor: the metric on the validation split that ranks them.
    """

    title: str
    entries: tuple[Entry, ...]
    monitor: MetricSpec

    @property
    def runs(self) -> list[RunData]:
        """The runs, in order."""
        return [entry.run for entry in self.entries]

    @property
    def many(self) -> bool:
        """Whether there are too many runs to show each on its own."""
        return len(self.entries) > MANY_RUNS

    @property
    def grouped(self) -> bool:
        """Whether curves are faint lines under medians: there are many runs, or several seeds of a model."""
        seeds = Counter(entry.label for entry in self.entries if not entry.baseline)
        return self.many or max(seeds.values(), default=0) >= LEAST_RUNS

    def value(self, entry: Entry) -> float | None:
        """The monitored metric of a run; None where it was not scored."""
        return entry.results.get(self.monitor.name)

    def best(self) -> list[Entry]:
        """The best finished run of each architecture."""
        groups: dict[str, list[Entry]] = {}
        for entry in self.entries:
            if not entry.censored and self.value(entry) is not None:
                groups.setdefault(entry.architecture, []).append(entry)
        return [
            min(group, key=lambda entry: _loss(self.value(entry), self.monitor)) for group in groups.values()
        ]


def chapters(
    runs: Sequence[RunData],
    *,
    run_labels: Mapping[str, RunLabel] | None = None,
    allow_incomparable: bool = False,
) -> list[Chapter]:
    """Group, label, sort and number the runs of a page.

    Args:
        runs: in any order.
        run_labels: what studies know of the runs, by the names of their folders.
        allow_incomparable: whether runs that cannot be ranked with each other get separate chapters.

    Raises:
        UserError: the runs cannot be ranked, and `allow_incomparable` is not set; the message names what
            differs.
    """
    groups = comparable_runs(runs)
    if not allow_incomparable:
        _require_one_group(groups)
    made: list[Chapter] = []
    # Shared by all chapters, so that a number and a colour have one meaning on the page.
    styles, number = StyleBook(), 1
    for title, group in zip(_titles(groups), groups, strict=True):
        monitor = _monitor(group)
        entries = _sorted_entries(group, monitor, run_labels or {})
        made.append(Chapter(title, _numbered(entries, styles, number), monitor))
        number += len(group)
    return made


def comparable_runs(runs: Sequence[RunData]) -> list[list[RunData]]:
    """Groups of runs whose numbers can be ranked, by their cards of the validation split.

    A run without a card joins the runs on the same data with the same task. A damaged run is a group of its
    own.
    """
    # Named by index, because folders in different places may have equal names.
    cards = {str(index): card for index, run in enumerate(runs) if (card := _card(run)) is not None}
    groups = [[int(index) for index in group] for group in comparable_groups(cards)]
    for index, run in enumerate(runs):
        if str(index) in cards:
            continue
        key = _data_and_task(run)
        matching = (g for g in groups if any(_data_and_task(runs[other]) == key for other in g))
        group = next(matching, None)
        if group is None:
            groups.append([index])
        else:
            group.append(index)
    return [[runs[index] for index in sorted(group)] for group in sorted(groups, key=min)]


def best_result(run: RunData) -> tuple[Mapping[str, float], str, int | None]:
    """Metrics on the validation split, how they were scored, and at which step.

    Those of the best checkpoint for a finished run, of the best validation so far for another one.
    """
    if run.summary:
        scored_as = run.cards["valid"]["scored_as"] if "valid" in run.cards else NOT_RECORDED
        return run.summary["metrics"], scored_as, run.summary["best_step"]
    losses = run.scalars("loss", "valid")
    if not losses:
        return {}, "not yet", None
    # By the loss, because only a summary tells which metric the task monitors.
    step = min(losses, key=lambda pair: pair[0].value)[1].step
    metrics = {
        name: record.value
        for name, _ in run.names("valid")
        for record, moment in run.scalars(name, "valid")
        if moment.step == step
    }
    return metrics, "best validation so far", step


def _card(run: RunData) -> Card | None:
    return run.cards.get("valid") if run.summary and run.settings and run.data else None


def _data_and_task(run: RunData) -> str:
    """Equal for runs with the same content, data settings and kind of task."""
    if not (run.settings and run.data):
        return str(run.folder.path)
    content = [run.data[key] for key in ("name", "content_hash")]
    return json.dumps([*content, run.settings.get("data"), run.settings.get("task", {}).get("kind")])


def _require_one_group(groups: Sequence[Sequence[RunData]]) -> None:
    """Raise where the numbers of two groups would appear on one page as if they were comparable."""
    first = [next((run for run in group if _card(run) is not None), None) for group in groups]
    cards = {run.folder.path.name: card for run in first if run is not None and (card := _card(run))}
    reason = refusal(cards)
    if reason is not None:
        raise UserError(reason)


def _monitor(group: Sequence[RunData]) -> MetricSpec:
    """The metric that selected the runs' checkpoints; the loss where no run is finished."""
    monitor = next((run.summary["monitor"] for run in group if run.summary), None)
    if monitor is not None:
        return MetricSpec(**monitor)
    unit = next((unit for run in group if (unit := run.units("valid").get("loss"))), "")
    return MetricSpec(name="loss", unit=unit, better="lower")


def _sorted_entries(
    group: Sequence[RunData], monitor: MetricSpec, run_labels: Mapping[str, RunLabel]
) -> list[Entry]:
    entries = [
        _entry(run, label, run_labels.get(run.folder.path.name))
        for run, label in zip(group, labels(group), strict=True)
    ]
    return sorted(entries, key=lambda entry: _rank(entry, monitor))


def _numbered(entries: Sequence[Entry], styles: StyleBook, first: int) -> tuple[Entry, ...]:
    """The entries with their numbers and styles, counted through all chapters of the page."""
    chosen = styles.of_labels([(entry.label, entry.architecture) for entry in entries])
    return tuple(
        replace(entry, number=number, style=chosen[entry.label])
        for number, entry in enumerate(entries, start=first)
    )


def _entry(run: RunData, label: str, run_label: RunLabel | None) -> Entry:
    metrics, scored_as, step = best_result(run)
    censored = (run_label.censored if run_label else "") or "unfinished"
    # The number and the style depend on the order of all entries, so `_numbered` replaces them.
    return Entry(
        run=run,
        number=0,
        label=label,
        architecture=run_label.architecture if run_label else architecture_of(run),
        optimizer=optimizer_of(run),
        style=Style("", "", ()),
        results=metrics,
        scored_as=scored_as,
        best_step=step,
        censored="" if run.summary else censored,
    )


def _rank(entry: Entry, monitor: MetricSpec) -> tuple[bool, str, str, bool, float]:
    loss = _loss(entry.results.get(monitor.name), monitor)
    # Baselines are last; a censored run comes after the finished ones with its architecture and optimizer.
    return entry.baseline, entry.architecture, entry.optimizer, bool(entry.censored), loss


def _loss(value: float | None, monitor: MetricSpec) -> float:
    """The value, signed so that lower is better and rounded so that ties tie; infinite where missing."""
    return math.inf if value is None else order_key(-monitor.gain(value))


def _titles(groups: Sequence[Sequence[RunData]]) -> list[str]:
    """Names of the datasets; for several groups of one name, with what differs."""
    names = [_dataset(group[0]) for group in groups]
    titles = list(names)
    for name in {name for name in names if names.count(name) > 1}:
        indices = [index for index, other in enumerate(names) if other == name]
        suffixes = _data_differences([groups[index][0] for index in indices])
        for index, suffix in zip(indices, suffixes, strict=True):
            titles[index] = f"{name}, {suffix}"
    return titles


def _data_differences(runs: Sequence[RunData]) -> list[str]:
    """What distinguishes runs on data of one name: settings of the data, else entries of their cards."""
    parts = setting_differences([run.settings["data"] for run in runs])
    if all(parts):
        return [", ".join(words) for words in parts]
    cards = [run.cards["valid"] for run in runs if "valid" in run.cards]
    of_cards = differences(cards) if len(cards) == len(runs) else []
    if of_cards:
        return [
            ", ".join(_format_side(difference, index) for difference in of_cards)
            for index in range(len(runs))
        ]
    return [f"SHA-256 {run.data['content_hash'][:12] if run.data else 'unknown'}" for run in runs]


def _format_side(difference: CardDifference, index: int) -> str:
    return f"{difference.what.removeprefix('the ')} {difference.values[index]}"


def _dataset(run: RunData) -> str:
    name = run.data["name"] if run.data else "unknown data"
    return name if run.settings and run.data else f"{name}, damaged run {run.folder.path.name}"
