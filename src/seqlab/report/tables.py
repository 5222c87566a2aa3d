"""Tables of results: plain cells, with a caption that explains them."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any

from seqlab.report.comparing import Chapter, Entry

CellValue = str | int | float | None


@dataclass(frozen=True)
class ReportColumn:
    """Head of a column: what stands in it, in which unit; code is set in a fixed-width font."""

    title: str
    unit: str = ""
    code: bool = False


@dataclass(frozen=True, kw_only=True)
class ReportTable:
    """A table: the first column names the row. `entries` gives rows the looks of their runs."""

    name: str
    caption: str
    columns: tuple[ReportColumn, ...]
    rows: tuple[tuple[CellValue, ...], ...]
    entries: tuple[Entry, ...] = ()
    best: frozenset[int] = frozenset()
    """Places of rows that stand out."""
    censored: frozenset[int] = frozenset()
    """Places of rows whose numbers are those of no end."""


RUN = (ReportColumn("run"), ReportColumn("model"), ReportColumn("seed"))


def seeds(chapter: Chapter) -> ReportTable | None:
    """Mean and spread of what was trained with several seeds; None where nothing was."""
    finished = [entry for entry in chapter.entries if entry.run.summary]
    every = dict.fromkeys(name for entry in finished for name in entry.results)
    metrics = [chapter.quantity.name] if chapter.many else list(every)
    rows = []
    for label in dict.fromkeys(entry.label for entry in finished):
        same = [entry for entry in finished if entry.label == label]
        for metric in metrics if len(same) > 1 else ():
            values = [entry.results[metric] for entry in same if metric in entry.results]
            if len(values) > 1:
                spread = (statistics.fmean(values), statistics.stdev(values), min(values), max(values))
                rows.append((label, words(metric), len(values), *spread))
    if not rows:
        return None
    return ReportTable(
        name=f"seeds {chapter.title}",
        caption="The same settings with several seeds. A difference between models that is no larger than "
        "the deviation between seeds says little.",
        columns=(
            ReportColumn("model"),
            ReportColumn("metric"),
            ReportColumn("seeds"),
            ReportColumn("mean"),
            ReportColumn("standard deviation"),
            ReportColumn("lowest"),
            ReportColumn("highest"),
        ),
        rows=tuple(rows),
    )


def other_splits(chapter: Chapter) -> ReportTable | None:
    """What best checkpoints reached on splits other than validation; None where none was scored."""
    cards = [
        (entry, card)
        for entry in chapter.entries
        for card in entry.run.cards.values()
        if card["split"] != "valid"
    ]
    if not cards:
        return None
    metrics = list(dict.fromkeys(name for _, card in cards for name in card["metrics"]))
    return ReportTable(
        name=f"other splits {chapter.title}",
        caption="Best checkpoints scored on further splits by `seqlab evaluate`: every target, once.",
        columns=(
            *RUN,
            ReportColumn("split"),
            *(ReportColumn(words(name)) for name in metrics),
            ReportColumn("sequences"),
            ReportColumn("tokens"),
            ReportColumn("also in training", "sequences"),
            ReportColumn("scored as"),
        ),
        rows=tuple(
            (
                *named(entry),
                card["split"],
                *(card["metrics"].get(name) for name in metrics),
                card["sequences"],
                card["tokens"],
                card["equal_to_training"],
                card["scored_as"],
            )
            for entry, card in cards
        ),
        entries=tuple(entry for entry, _ in cards),
    )


ORACLE = {
    "floor": ReportColumn("floor", "nats per token"),
    "above_floor": ReportColumn("above the floor", "nats per token"),
    "divergence": ReportColumn("divergence", "nats per token"),
    "valid_samples": ReportColumn("valid", "fraction of samples"),
    "wrong_samples": ReportColumn("wrong", "fraction of samples"),
    "cut_samples": ReportColumn("cut", "fraction of samples"),
    "complete_of_truth": ReportColumn("truth complete", "fraction of strings"),
    "valid_of_complete_samples": ReportColumn("valid", "fraction of complete ones"),
    "novel_samples": ReportColumn("novel", "fraction of valid ones"),
    "distinct_samples": ReportColumn("distinct", "fraction of samples"),
    "length_distance": ReportColumn("lengths off", "largest difference"),
    "known_words": ReportColumn("known words", "fraction of words"),
    "samples_passing_legacy_check": ReportColumn("pass the legacy check", "fraction of samples"),
    "accepted": ReportColumn("recognised", "fraction of texts"),
    "accepted_longer": ReportColumn("recognised far", "fraction of texts"),
}
"""Columns by the metrics of an oracle card."""


def truth(chapter: Chapter) -> ReportTable | None:
    """How runs stand to the truth of their data; None where no run was held against it."""
    cards = [(entry, card) for entry in chapter.entries if (card := entry.run.oracle) is not None]
    if not cards:
        return None
    known = {key for _, card in cards for key in card["metrics"]}
    columns = {key: column for key, column in ORACLE.items() if key in known}
    ways = dict.fromkeys(f"{card['scored_as'].capitalize()}." for _, card in cards)
    course = (
        " The legacy check is less strict about order and about the end of samples; "
        "compare it with the exact one."
        if "samples_passing_legacy_check" in known
        else ""
    )
    far = (
        " Recognised: everywhere in a text just those tokens are likely that may follow; far: in texts "
        "longer than any of training."
        if "accepted_longer" in known
        else ""
    )
    return ReportTable(
        name=f"truth {chapter.title}",
        caption="Held against the truth. The floor is what the true distribution itself pays on the "
        "validation split; what a model pays above it is what it has not learned. Divergence: of its "
        "distributions from the true ones (Kullback-Leibler). A cut sample did not end in time and is "
        f"neither valid nor wrong.{far}{course} {' '.join(ways)}",
        columns=(*RUN, *columns.values()),
        rows=tuple((*named(entry), *(card["metrics"].get(key) for key in columns)) for entry, card in cards),
        entries=tuple(entry for entry, _ in cards),
    )


def explained(chapter: Chapter) -> ReportTable | None:
    """Why wrong samples are wrong; None where there are none."""
    found = [
        (entry, one)
        for entry in chapter.best()
        if entry.run.oracle is not None
        for one in entry.run.oracle["explained"]
    ]
    if not found:
        return None
    return ReportTable(
        name=f"wrong samples {chapter.title}",
        caption="Why samples are wrong: the first token that cannot stand where it does, and what could. "
        ".end: the sample ended too early. Of the best run of each architecture.",
        columns=(
            *RUN,
            ReportColumn("sample"),
            ReportColumn("token"),
            ReportColumn("is"),
            ReportColumn("could be"),
        ),
        rows=tuple(
            (*named(entry), one["text"], one["position"] + 1, one["token"], " ".join(one["allowed"]))
            for entry, one in found
        ),
        entries=tuple(entry for entry, _ in found),
    )


def spent(entry: Entry) -> dict[str, Any]:
    """Steps, seconds, memory of a run; of one without an end as far as its records go, None for the rest."""
    run = entry.run
    found: dict[str, Any] = {
        key: (run.environment or {}).get(key) for key in ("threads", "device", "processor")
    }
    if run.summary:
        known = {key: run.summary[key] for key in ("steps", "epochs", "tokens")}
        return found | known | dict(run.summary["cost"])
    last = run.records[-1][1] if run.records else None
    timing = run.timings[-1] if run.timings else None
    return found | {
        "steps": last.step if last else None,
        "epochs": last.epoch if last else None,
        "tokens": last.tokens if last else None,
        "training_seconds": timing.seconds if timing else None,
        "evaluation_seconds": None,
        "tokens_per_second": timing.tokens_per_second if timing else None,
        "peak_memory_mib": None,
    }


def words(name: str) -> str:
    """A recorded name as words."""
    return name.replace("_", " ")


def metric(name: str, unit: str) -> ReportColumn:
    """The head of a metric's column."""
    return ReportColumn(words(name), "" if unit == words(name) else unit)


def named(entry: Entry) -> tuple[CellValue, ...]:
    """The first cells of a run's row; see `RUN`."""
    return entry.number, entry.label, entry.seed
