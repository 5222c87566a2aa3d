"""The one table of all runs of a chapter: what they reached, with which settings, at what price."""

from __future__ import annotations

from collections.abc import Sequence

from seqlab.report import about
from seqlab.report.comparing import Chapter, Entry
from seqlab.report.tables import CellValue, ReportColumn, ReportTable, metric, spent
from seqlab.schema.settings import short_names

TOLD = ("training.optimizer.kind", "training.schedule.kind", "model.cell", "model.kind", "baseline.kind")
"""Settings that the columns of architecture and optimiser say."""


def results(chapter: Chapter) -> ReportTable:
    """One row a run, by architecture, then optimiser, the best first."""
    entries = chapter.entries
    parts = [*_who(entries), *_metrics(chapter), *_settings(chapter), *_prices(chapter), *_ends(entries)]
    best = {entry.number for entry in chapter.best()}
    return ReportTable(
        name=f"results {chapter.title}",
        caption=_caption(chapter),
        columns=tuple(column for column, _ in parts),
        rows=tuple(zip(*(cells for _, cells in parts), strict=True)),
        entries=entries,
        best=frozenset(place for place, entry in enumerate(entries) if entry.number in best),
        censored=frozenset(place for place, entry in enumerate(entries) if entry.censored),
    )


Part = tuple[ReportColumn, list[CellValue]]


def _who(entries: Sequence[Entry]) -> list[Part]:
    names = [entry.run.folder.name for entry in entries]
    parts: list[Part] = [
        (ReportColumn("run"), [entry.number for entry in entries]),
        (ReportColumn("architecture"), [entry.architecture for entry in entries]),
        (
            ReportColumn("optimiser"),
            [None if entry.optimiser == "none" else entry.optimiser for entry in entries],
        ),
        (ReportColumn("seed"), [entry.seed for entry in entries]),
    ]
    return [*parts, (ReportColumn("name"), list(names))] if len(set(names)) > 1 else parts


def _metrics(chapter: Chapter) -> list[Part]:
    units = {name: unit for run in chapter.runs for name, unit in run.units("valid").items()}
    names = dict.fromkeys(name for entry in chapter.entries for name in entry.results)
    order = sorted(names, key=lambda name: name != chapter.quantity.name)
    return [
        (metric(name, units.get(name, "")), [entry.results.get(name) for entry in chapter.entries])
        for name in order
    ]


def _settings(chapter: Chapter) -> list[Part]:
    found = [(key, values) for key, values in about.differing(chapter) if key not in TOLD]
    names = short_names([key for key, _ in found])
    return [(ReportColumn(names[key]), [_number(value) for value in values]) for key, values in found]


def _number(value: str | None) -> CellValue:
    """A setting as a number where it is one, so that columns of them stand aligned."""
    if value is None or value in ("none", "true", "false"):
        return value
    try:
        return int(value)
    except ValueError:
        return value


def _prices(chapter: Chapter) -> list[Part]:
    costs = [spent(entry) for entry in chapter.entries]
    return [
        (ReportColumn("parameters"), [entry.run.parameters for entry in chapter.entries]),
        (ReportColumn("training", "s"), [cost["training_seconds"] for cost in costs]),
        (ReportColumn("speed", "tokens/s"), [cost["tokens_per_second"] for cost in costs]),
        (ReportColumn("peak memory", "MiB"), [cost["peak_memory_mib"] for cost in costs]),
        (ReportColumn("best at", "step"), [entry.best_step for entry in chapter.entries]),
    ]


def _ends(entries: Sequence[Entry]) -> list[Part]:
    scored: Part = (ReportColumn("scored as"), [entry.scored_as for entry in entries])
    ended = [f"censored: {entry.censored}" if entry.censored else "finished" for entry in entries]
    state: list[Part] = (
        [(ReportColumn("state"), [*ended])] if any(entry.censored for entry in entries) else []
    )
    return [scored, *state, (ReportColumn("command", code=True), [about.command(entry) for entry in entries])]


def _caption(chapter: Chapter) -> str:
    what = chapter.quantity.name.replace("_", " ")
    better = "highest" if chapter.quantity.better == "higher" else "lowest"
    words = (
        f"Results on the validation split of {chapter.title}, by architecture, then optimiser, the {better} "
        f"{what} first; bold: the best of each architecture. A run was scored anew at its end with its best "
        "checkpoint: every target, once. Settings that do not differ stand under Settings. Seconds are of "
        "training. The command repeats the run."
    )
    if any(entry.baseline for entry in chapter.entries):
        words += " A baseline is fitted at once, without steps."
    if any(entry.censored for entry in chapter.entries):
        words += " Censored: the run came to no end; it is shown at its best until then, and not ranked."
    return words
