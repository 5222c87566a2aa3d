"""The table of all runs of a chapter: metrics, differing settings, cost, and the command to repeat them."""

from __future__ import annotations

from collections.abc import Sequence

from seqlab.report.chapters import Chapter, Entry
from seqlab.report.cost_tables import command
from seqlab.report.perplexity.perplexity_curves import (
    MEAN_OF_TRAINING,
    PERPLEXITY,
    best_training_perplexity,
)
from seqlab.report.settings_tables import differing_settings
from seqlab.report.tables import CellValue, ReportColumn, ReportTable, metric_column, run_cost, words
from seqlab.schema.settings import short_names

COVERED = ("training.optimizer.kind", "training.schedule.kind", "model.cell", "model.kind", "baseline.kind")
"""Settings that the columns of architecture and optimizer already show."""

TRAINING_PERPLEXITY = "training perplexity"
"""Title of the column beside the perplexity on the validation split."""

FilledColumn = tuple[ReportColumn, list[CellValue]]


def results_table(chapter: Chapter) -> ReportTable:
    """One row per run, by architecture, then by optimizer, the best first."""
    entries = chapter.entries
    filled = [
        *_identity(entries),
        *_settings(chapter, within=True),
        *_metrics(chapter),
        *_settings(chapter, within=False),
        *_costs(entries),
        *_outcome(entries),
    ]
    best = {entry.number for entry in chapter.best()}
    return ReportTable(
        name=f"results {chapter.title}",
        caption=_caption(chapter, [column.title for column, _ in filled]),
        page_note="Shared settings are listed under Settings. The command repeats the run.",
        columns=tuple(column for column, _ in filled),
        rows=tuple(zip(*(cells for _, cells in filled), strict=True)),
        entries=entries,
        chooser=len(entries) > 1,
        best=frozenset(index for index, entry in enumerate(entries) if entry.number in best),
        censored=frozenset(index for index, entry in enumerate(entries) if entry.censored),
    )


def _identity(entries: Sequence[Entry]) -> list[FilledColumn]:
    names: list[CellValue] = [entry.run.folder.name for entry in entries]
    columns: list[FilledColumn] = [
        (ReportColumn("run"), [entry.number for entry in entries]),
        (ReportColumn("architecture"), [entry.architecture for entry in entries]),
    ]
    # One optimizer for all is listed with the shared settings.
    if len({entry.optimizer for entry in entries if entry.optimizer != "none"}) > 1:
        optimizers = [None if entry.optimizer == "none" else entry.optimizer for entry in entries]
        columns.append((ReportColumn("optimizer"), [*optimizers]))
    columns.append((ReportColumn("seed"), [entry.seed for entry in entries]))
    return [*columns, (ReportColumn("name"), names)] if len(set(names)) > 1 else columns


def _metrics(chapter: Chapter) -> list[FilledColumn]:
    units = {name: unit for run in chapter.runs for name, unit in run.units("valid").items()}
    names = dict.fromkeys(name for entry in chapter.entries for name in entry.results)
    order = sorted(names, key=lambda name: name != chapter.monitor.name)
    columns: list[FilledColumn] = []
    for name in order:
        title = metric_column(name, units.get(name, ""))
        columns.append((title, [entry.results.get(name) for entry in chapter.entries]))
        training = _training_perplexities(chapter.entries) if name == PERPLEXITY.name else []
        if any(value is not None for value in training):
            columns.append((ReportColumn(TRAINING_PERPLEXITY), training))
    return columns


def _training_perplexities(entries: Sequence[Entry]) -> list[CellValue]:
    return [best_training_perplexity(entry.run, entry.best_step) for entry in entries]


def _settings(chapter: Chapter, *, within: bool) -> list[FilledColumn]:
    """The settings that vary within an architecture, or those that vary only between architectures."""
    differing = [(key, values) for key, values in differing_settings(chapter) if key not in COVERED]
    names = short_names([key for key, _ in differing])
    return [
        (ReportColumn(names[key]), [_number(value) for value in values])
        for key, values in differing
        if _varies_within(chapter, values) == within
    ]


def _varies_within(chapter: Chapter, values: Sequence[str | None]) -> bool:
    """Whether two runs of one architecture have different values."""
    pairs = {(entry.architecture, value) for entry, value in zip(chapter.entries, values, strict=True)}
    return len(pairs) > len({architecture for architecture, _ in pairs})


def _number(value: str | None) -> CellValue:
    """A setting as a whole number where it is one, so that its column is aligned on the right."""
    if value is None or value in ("none", "true", "false"):
        return value
    # Not as a float: 1e-3 would be shown as 0.001, which is not what was set.
    try:
        return int(value)
    except ValueError:
        return value


def _costs(entries: Sequence[Entry]) -> list[FilledColumn]:
    costs = [run_cost(entry) for entry in entries]
    return [
        (ReportColumn("parameters"), [entry.run.parameters for entry in entries]),
        (ReportColumn("training", "s"), [cost["training_seconds"] for cost in costs]),
        (ReportColumn("speed", "tokens/s"), [cost["tokens_per_second"] for cost in costs]),
        (ReportColumn("peak memory", "MiB"), [cost["peak_memory_mib"] for cost in costs]),
        (ReportColumn("best at", "step"), [entry.best_step for entry in entries]),
    ]


def _outcome(entries: Sequence[Entry]) -> list[FilledColumn]:
    columns: list[FilledColumn] = [(ReportColumn("scored as"), [entry.scored_as for entry in entries])]
    if any(entry.censored for entry in entries):
        states = [entry.censored or "finished" for entry in entries]
        columns.append((ReportColumn("state"), [*states]))
    return [
        *columns,
        (ReportColumn("command", code=True, printed=False), [command(entry) for entry in entries]),
    ]


def _caption(chapter: Chapter, titles: Sequence[str]) -> str:
    best = "highest" if chapter.monitor.better == "higher" else "lowest"
    sentences = [
        f"Results on the validation split of {chapter.title}, sorted by architecture, then by optimizer, the "
        f"{best} {words(chapter.monitor.name)} first. Bold: the best run of each architecture. Each finished "
        "run was scored again with its best checkpoint, on every target exactly once."
    ]
    if TRAINING_PERPLEXITY in titles:
        sentences.append(MEAN_OF_TRAINING)
    if any(entry.baseline for entry in chapter.entries):
        sentences.append("A baseline is fitted without optimizer steps.")
    if any(entry.ensemble for entry in chapter.entries):
        sentences.append(
            "Parameters and training of an ensemble are the sums of its members', peak memory is the largest."
        )
    if any(entry.censored for entry in chapter.entries):
        sentences.append(
            "In italics: the run did not finish; its best validation so far is shown, and it is not ranked."
        )
    return " ".join(sentences)
