"""Which experiment generalizes best, and at what cost."""

from __future__ import annotations

from collections.abc import Sequence

from seqlab.report.chapters import Entry
from seqlab.report.perplexity.clock_sentences import certainty
from seqlab.report.perplexity.runs_over_seeds import (
    RunsOverSeeds,
    final,
    final_training,
    gap,
    leaders,
    ranked,
    shown,
)
from seqlab.report.tables import run_cost

_MUCH = 1.05
"""Ratio of perplexities from which on a small gap is no merit, because little was learned."""


def generalization_sentences(found: Sequence[RunsOverSeeds]) -> list[str]:
    """The lowest validation perplexity with its gap and its cost, and the smallest gap."""
    known = [each for each in found if not each.running]
    order = ranked(known, final)
    if len(order) < 2:
        return []
    best = leaders(known, final)
    first = best[0]
    sentences = [
        "Rule: the lowest validation perplexity of the best checkpoint, whatever it took. The gap is "
        "validation minus training perplexity; as that one is a mean with dropout over the last epoch, the "
        "gap may be below 0.",
        f"{first.name} has the lowest, {shown(first.median(final))}{first.range_over_seeds(final)}"
        f"{_gap(first)}{_tie(best)}; {_cost(first)}; next is {order[1].name}, "
        f"{shown(order[1].median(final))}{certainty(known, final)}.",
    ]
    cheaper = _cheaper(order)
    sentences += [cheaper] if cheaper else []
    narrow = leaders(known, gap)
    return [*sentences, _smallest_gap(narrow[0], first)] if narrow else sentences


def _gap(experiment: RunsOverSeeds) -> str:
    found = experiment.median(gap)
    if found is None:
        return ""
    return f"; training {shown(experiment.median(final_training))}, gap {shown(found)}"


def _tie(best: Sequence[RunsOverSeeds]) -> str:
    others = sorted(each.name for each in best[1:])
    return f", as has {' and '.join(others)}" if others else ""


def _cost(experiment: RunsOverSeeds) -> str:
    seconds, parameters = experiment.median(_training_seconds), experiment.median(_parameters)
    parts = [] if seconds is None else [f"{seconds:,.0f} s"]
    parts += [] if parameters is None else [f"{parameters:,.0f} parameters"]
    return f"it took {' and '.join(parts)}" if parts else "its cost is not known"


def _cheaper(order: Sequence[RunsOverSeeds]) -> str:
    """What the best of the experiments that took at most half of the seconds of the first one reached."""
    limit = order[0].median(_training_seconds)
    if not limit:
        return ""
    cheap = [each for each in order[1:] if (each.median(_training_seconds) or limit) <= limit / 2]
    if not cheap:
        return ""
    value, lowest = cheap[0].median(final), order[0].median(final)
    assert value is not None
    assert lowest is not None
    return (
        f"With at most half of its seconds, {cheap[0].name} has {shown(value)}, "
        f"{100 * (value / lowest - 1):.3g} % more; {_cost(cheap[0])}."
    )


def _smallest_gap(narrow: RunsOverSeeds, first: RunsOverSeeds) -> str:
    text = f"{narrow.name} has the smallest gap, {shown(narrow.median(gap))}"
    value, lowest = narrow.median(final), first.median(final)
    if narrow is first or value is None or lowest is None:
        return f"It also has the smallest gap, {shown(narrow.median(gap))}."
    more = f", with {shown(value)} on validation, {100 * (value / lowest - 1):.3g} % more than the lowest"
    learned = ": it has learned less of the training text, too" if value > _MUCH * lowest else ""
    return f"{text}{more}{learned}."


def _training_seconds(entry: Entry) -> float | None:
    return run_cost(entry)["training_seconds"]


def _parameters(entry: Entry) -> float | None:
    return entry.run.parameters
