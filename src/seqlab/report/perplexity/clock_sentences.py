"""Which experiment is best on the clock: the lowest validation perplexity within equal seconds."""

from __future__ import annotations

from collections.abc import Sequence

from seqlab.comparison.comparable import cost_differences
from seqlab.report.chapters import Entry
from seqlab.report.perplexity.perplexity_curves import PERPLEXITY, PerplexityCurve
from seqlab.report.perplexity.runs_over_seeds import (
    RunsOverSeeds,
    ValueOfRun,
    leaders,
    ranked,
    shown,
)
from seqlab.schema.errors import UserError
from seqlab.stats.over_seeds import over_seeds

_EARLY = 0.25
"""Share of the equal seconds at which it is said, too, who leads."""


def clock_sentences(found: Sequence[RunsOverSeeds]) -> list[str]:
    """Who leads when the shortest run ends, who led earlier, and how certain that is.

    Args:
        found: finished or not; runs that may still continue take no part.
    """
    known = [each for each in found if not each.running and any(map(last_second, each.finished))]
    if len(known) < 2:
        return []
    entries = [entry for each in known for entry in each.finished]
    if reason := _unlike_machines(entries):
        return [reason]
    shortest = min(entries, key=lambda entry: last_second(entry) or 0.0)
    limit = last_second(shortest) or 0.0
    now = within(limit)
    best = leaders(known, now)
    sentences = [
        "Rule: the lowest validation perplexity of all validations within the seconds that every run had, "
        f"{_seconds(limit)}: those of the shortest finished run, run {shortest.number}.",
        _lead(known, now),
    ]
    early = leaders(known, within(_EARLY * limit))
    if early and [each.name for each in early] != [each.name for each in best]:
        sentences.append(
            f"Within a quarter of that time, {_seconds(_EARLY * limit)}, {_named(early)} led with "
            f"{shown(early[0].median(within(_EARLY * limit)))}."
        )
    return sentences


def within(limit: float) -> ValueOfRun:
    """The lowest validation perplexity of a run up to a number of seconds; None before its first one."""

    def lowest(entry: Entry) -> float | None:
        points = PerplexityCurve(entry.run).points
        values = [point.valid for point in points if point.seconds is not None and point.seconds <= limit]
        return min(values, default=None)

    return lowest


def last_second(entry: Entry) -> float | None:
    """Seconds of training up to a run's last validation; None where that is not known."""
    points = PerplexityCurve(entry.run).points
    return points[-1].seconds if points else None


def certainty(found: Sequence[RunsOverSeeds], value: ValueOfRun) -> str:
    """Whether the first of the ranked experiments differs from the second over seeds; after a semicolon."""
    first, second = ranked(found, value)[:2]
    if len(first.entries) == len(second.entries) == 1:
        return "; one seed each, so nothing is known of other seeds"
    try:
        test = over_seeds(
            first.outcomes(value), second.outcomes(value), names=(first.name, second.name), metric=PERPLEXITY
        )
    except UserError:
        return "; their seeds differ, so there is no test over seeds"
    return f"; {test.verdict}"


def _lead(known: Sequence[RunsOverSeeds], value: ValueOfRun) -> str:
    order, best = ranked(known, value), leaders(known, value)
    if not best:
        return "No experiment had a validation within that time."
    lowest = shown(best[0].median(value))
    if len(best) > 1:
        return f"{_named(best)} reached the same lowest validation perplexity, {lowest}."
    won = f"{best[0].name} reached the lowest, {lowest}{best[0].range_over_seeds(value)}"
    if len(order) == 1:
        return f"{won}; no other experiment had a validation within that time."
    second = f"{order[1].name}, {shown(order[1].median(value))}{order[1].range_over_seeds(value)}"
    return f"{won}; next is {second}{certainty(known, value)}."


def _unlike_machines(entries: Sequence[Entry]) -> str:
    """Why seconds cannot be compared; empty where they can."""
    cards = [card for entry in entries if (card := entry.run.cards.get("valid"))]
    differing = ", ".join(found.what for found in cost_differences(cards)) if len(cards) > 1 else ""
    if not differing:
        return ""
    return f"Which experiment is best on the clock cannot be said, because the runs differ in {differing}."


def _named(found: Sequence[RunsOverSeeds]) -> str:
    *names, last = sorted(each.name for each in found)
    return f"{', '.join(names)} and {last}" if names else last


def _seconds(seconds: float) -> str:
    """Seconds with three digits, whole ones from 100.

    >>> _seconds(8.376), _seconds(3600.4)
    ('8.38 s', '3,600 s')
    """
    return f"{seconds:,.0f} s" if seconds >= 100 else f"{seconds:.3g} s"
