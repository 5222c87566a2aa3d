"""The experiments of a chapter: runs that differ only in their seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from seqlab.report.chapters import Chapter, Entry
from seqlab.report.naming import labels
from seqlab.report.perplexity.perplexity_curves import (
    PERPLEXITY,
    PerplexityCurve,
    best_point,
    best_training_perplexity,
)
from seqlab.stats.censored import SeedOutcome, finite, ordered, quantile
from seqlab.stats.ties import difference, order_key

Role = Literal["architecture", "optimizer"]
ValueOfRun = Callable[[Entry], float | None]


@dataclass(frozen=True)
class RunsOverSeeds:
    """Runs that differ only in their seed; at least one.

    detail: what differs from others with the same architecture and optimizer; empty without such.
    """

    entries: tuple[Entry, ...]
    detail: str = ""

    @property
    def architecture(self) -> str:
        """The architecture of the runs."""
        return self.entries[0].architecture

    @property
    def optimizer(self) -> str:
        """The optimizer of the runs, with its schedule."""
        return self.entries[0].optimizer

    @property
    def label(self) -> str:
        """The label of the runs on the rest of the page."""
        return self.entries[0].label

    @property
    def name(self) -> str:
        """Architecture and optimizer, with the detail."""
        return self._with_detail(f"{self.architecture} with {self.optimizer}")

    def name_beside(self, role: Role) -> str:
        """The name without the role that all others beside it share."""
        return self._with_detail(self.optimizer if role == "architecture" else self.architecture)

    def _with_detail(self, name: str) -> str:
        return f"{name} ({self.detail})" if self.detail else name

    @property
    def running(self) -> bool:
        """Whether a run may still continue, so that nothing can be said of it yet."""
        return any(entry.censored.startswith("unfinished") for entry in self.entries)

    @property
    def finished(self) -> list[Entry]:
        """The finished runs."""
        return [entry for entry in self.entries if not entry.censored]

    def outcomes(self, value: ValueOfRun) -> tuple[SeedOutcome, ...]:
        """The value of each seed; None of a run that did not finish, which counts as worse than any."""
        return tuple(
            SeedOutcome(seed=entry.seed or 0, value=None if entry.censored else value(entry))
            for entry in self.entries
        )

    def median(self, value: ValueOfRun) -> float | None:
        """The median over seeds; None where it falls on a run without a value."""
        values = [outcome.value for outcome in self.outcomes(value)]
        return finite(quantile(ordered(values, "lower"), 0.5))

    def range_over_seeds(self, value: ValueOfRun) -> str:
        """The number of seeds with the lowest and the highest value, in brackets; empty for one seed."""
        known = [found.value for found in self.outcomes(value) if found.value is not None]
        if len(self.entries) == 1 or not known:
            return ""
        low, high = shown(min(known)), shown(max(known))
        failed = len(self.entries) - len(known)
        without = f", {failed} without a value" if failed else ""
        return f" (median of {len(self.entries)} seeds, {low} to {high}{without})"


def runs_over_seeds(chapter: Chapter) -> list[RunsOverSeeds]:
    """Every experiment whose runs recorded their perplexity, or ended before they could, in order.

    Empty where no run recorded it.
    """
    groups: dict[str, list[Entry]] = {}
    for entry in chapter.entries:
        if entry.run.settings and not (entry.baseline or entry.ensemble):
            groups.setdefault(entry.label, []).append(entry)
    found = [RunsOverSeeds(tuple(group)) for group in groups.values()]
    recorded = [any(map(has_curve, each.entries)) for each in found]
    if not any(recorded):
        return []
    shown = [each for each, known in zip(found, recorded, strict=True) if known or not each.finished]
    pairs: dict[tuple[str, str], list[RunsOverSeeds]] = {}
    for each in shown:
        pairs.setdefault((each.architecture, each.optimizer), []).append(each)
    details = {each.label: detail for group in pairs.values() for each, detail in _details(group)}
    return [replace(each, detail=details[each.label]) for each in shown]


def _details(group: Sequence[RunsOverSeeds]) -> Iterator[tuple[RunsOverSeeds, str]]:
    """Experiments of one architecture and optimizer, with the settings in which they differ."""
    names = labels([each.entries[0].run for each in group]) if len(group) > 1 else [""]
    return zip(group, names, strict=True)


def has_curve(entry: Entry) -> bool:
    """Whether a run recorded its perplexity."""
    return bool(PerplexityCurve(entry.run).points)


def final(entry: Entry) -> float | None:
    """Validation perplexity of a run's result."""
    return entry.results.get(PERPLEXITY.name)


def final_training(entry: Entry) -> float | None:
    """Training perplexity up to the checkpoint that is a run's result."""
    return best_training_perplexity(entry.run, entry.best_step)


def gap(entry: Entry) -> float | None:
    """Validation minus training perplexity of a run's result.

    None where that is of the first epoch, whose mean on training contains the untrained model.
    """
    valid, train = final(entry), final_training(entry)
    return None if valid is None or train is None or is_of_first_epoch(entry) else difference(valid, train)


def is_of_first_epoch(entry: Entry) -> bool:
    """Whether the checkpoint that is a run's result comes from its first epoch."""
    point = best_point(entry.run, entry.best_step)
    return point is not None and point.moment.epoch <= 1


def ranked(found: Sequence[RunsOverSeeds], value: ValueOfRun) -> list[RunsOverSeeds]:
    """The experiments whose median over seeds is known, the lowest first; ties keep their order."""
    known = [(median, each) for each in found if (median := each.median(value)) is not None]
    return [each for _, each in sorted(known, key=lambda pair: order_key(pair[0]))]


def leaders(found: Sequence[RunsOverSeeds], value: ValueOfRun) -> list[RunsOverSeeds]:
    """The experiments with the lowest median: several where they tie."""
    order = ranked(found, value)
    return [each for each in order if not _distance(each, order[0], value)]


def _distance(one: RunsOverSeeds, other: RunsOverSeeds, value: ValueOfRun) -> float:
    first, second = one.median(value), other.median(value)
    assert first is not None
    assert second is not None
    return difference(first, second)


def shown(value: float | None) -> str:
    """A perplexity with about four digits."""
    return PERPLEXITY.format_number(value, 0.0)
