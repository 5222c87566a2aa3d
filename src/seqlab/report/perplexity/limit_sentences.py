"""What the perplexities of a chapter do not allow to claim."""

from __future__ import annotations

from collections.abc import Sequence

from seqlab.report.chapters import Entry
from seqlab.report.perplexity.perplexity_curves import PerplexityCurve
from seqlab.report.perplexity.runs_over_seeds import RunsOverSeeds, is_of_first_epoch
from seqlab.report.tables import run_cost
from seqlab.stats.formatting import counted
from seqlab.stats.over_seeds import needed_seeds

_EQUAL = 1.01
"""Ratio up to which two budgets count as equal."""


def limit_sentences(found: Sequence[RunsOverSeeds]) -> list[str]:
    """Too few seeds, unequal budgets, runs that were still improving, and runs without a result."""
    finished = [entry for each in found for entry in each.finished]
    return [
        *_seeds(found),
        *_unequal("read different numbers of tokens in training", [run_cost(e)["tokens"] for e in finished]),
        *_unequal("have different numbers of parameters", [e.run.parameters for e in finished]),
        *_improving(finished),
        *_without_gap(finished),
        *_without_result(found),
    ]


def _seeds(found: Sequence[RunsOverSeeds]) -> list[str]:
    fewest = min((len(each.entries) for each in found), default=0)
    if not 0 < fewest < needed_seeds():
        return []
    return [
        f"With {counted(fewest, 'seed')} no order is significant over seeds, which takes {needed_seeds()} or "
        "more: another seed may change it."
    ]


def _unequal(what: str, amounts: Sequence[int | None]) -> list[str]:
    known = [amount for amount in amounts if amount]
    if not known or max(known) <= _EQUAL * min(known):
        return []
    return [
        f"The finished runs {what}, from {min(known):,} to {max(known):,}, so an order is one of experiments "
        "as they were set, not of architectures or optimizers alone."
    ]


def _improving(finished: Sequence[Entry]) -> list[str]:
    """Runs whose last validation is their best."""
    runs = [str(entry.number) for entry in finished if _is_improving(entry)]
    if not runs:
        return []
    which = _which(runs, finished)
    return [f"{which} had the lowest perplexity at the last validation: more training may change the order."]


def _without_gap(finished: Sequence[Entry]) -> list[str]:
    runs = [str(entry.number) for entry in finished if is_of_first_epoch(entry)]
    if not runs:
        return []
    return [
        f"{_which(runs, finished)} had the best checkpoint in the first epoch, whose mean on training "
        "contains the untrained model: there is no gap to compare."
    ]


def _which(runs: Sequence[str], finished: Sequence[Entry]) -> str:
    """Runs as the subject of a sentence."""
    return "All finished runs" if len(runs) == len(finished) else f"Of the finished runs, {_listed(runs)}"


def _listed(runs: Sequence[str]) -> str:
    """Run 4; runs 4 and 5."""
    *first, last = runs
    return f"runs {', '.join(first)} and {last}" if first else f"run {last}"


def _is_improving(entry: Entry) -> bool:
    values = [point.valid for point in PerplexityCurve(entry.run).points]
    return len(values) > 1 and values[-1] < min(values[:-1])


def _without_result(found: Sequence[RunsOverSeeds]) -> list[str]:
    return [
        f"Run {entry.number}, {each.name}, has no result: {entry.censored}."
        for each in found
        for entry in each.entries
        if entry.censored
    ]
