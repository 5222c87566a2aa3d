"""Tables of scores beside the results: the spread over seeds, and splits other than validation."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from seqlab.report.chapters import Chapter
from seqlab.report.tables import RUN_COLUMNS, CellValue, ReportColumn, ReportTable, run_cells, words
from seqlab.runs.cards import NAMES_OF_ADAPTATIONS
from seqlab.schema.settings import format_setting


def seeds_table(chapter: Chapter) -> ReportTable | None:
    """Mean and spread of settings trained with several seeds; None where there are none."""
    rows = _seed_rows(chapter)
    if not rows:
        return None
    return ReportTable(
        name=f"seeds {chapter.title}",
        caption="Equal settings with several seeds. A difference between models that is no larger than the "
        "standard deviation over seeds is weak evidence.",
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


def _seed_rows(chapter: Chapter) -> list[tuple[CellValue, ...]]:
    finished = [entry for entry in chapter.entries if entry.run.summary]
    recorded = dict.fromkeys(name for entry in finished for name in entry.results)
    # All metrics of many settings would fill pages.
    metrics = [chapter.monitor.name] if chapter.many else list(recorded)
    rows: list[tuple[CellValue, ...]] = []
    for label in dict.fromkeys(entry.label for entry in finished):
        same_label = [entry for entry in finished if entry.label == label]
        for metric in metrics:
            values = [entry.results[metric] for entry in same_label if metric in entry.results]
            if len(values) > 1:
                rows.append((label, words(metric), len(values), *_spread(values)))
    return rows


def _spread(values: Sequence[float]) -> tuple[CellValue, ...]:
    """Mean, standard deviation, lowest and highest; None for one that is above the largest float."""
    # Relative to a power of 2, which changes no digit: sums of numbers near the largest float overflow.
    size = math.ldexp(1.0, math.frexp(max(map(abs, values)))[1] - 1)
    relative = [value / size for value in values]
    found = (size * statistics.fmean(relative), size * statistics.stdev(relative))
    return *(value if math.isfinite(value) else None for value in found), min(values), max(values)


def other_splits_table(chapter: Chapter) -> ReportTable | None:
    """Scores of best checkpoints on splits other than validation; None where no run has any."""
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
        caption="Best checkpoints scored on other splits with `seqlab evaluate`, on every target exactly "
        "once.",
        columns=(
            *RUN_COLUMNS,
            ReportColumn("split"),
            *(ReportColumn(words(name)) for name in metrics),
            ReportColumn("sequences"),
            ReportColumn("tokens"),
            ReportColumn("also in training", "sequences"),
            ReportColumn("scored as"),
        ),
        rows=tuple(
            (
                *run_cells(entry),
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


def adapted_table(chapter: Chapter) -> ReportTable | None:
    """Scores of models that adapted to the text, each kind of adaptation by itself; None without any."""
    cards = [(entry, card) for entry in chapter.entries for card in entry.run.adapted]
    if not cards:
        return None
    metrics = list(dict.fromkeys(name for _, card in cards for name in card["metrics"]))
    rows = [(entry, card, card["adaptation"]) for entry, card in cards if "adaptation" in card]
    sign = 1 if chapter.monitor.better == "lower" else -1
    rows.sort(
        key=lambda row: (
            row[1]["split"] != "valid",
            row[1]["split"],
            row[2]["kind"],
            sign * row[1]["metrics"].get(chapter.monitor.name, sign * math.inf),
        )
    )
    return ReportTable(
        name=f"adapted {chapter.title}",
        caption="Best checkpoints that adapted to the text: every target was scored exactly once, and only "
        "then learned from or stored. Compare within one split and kind of adaptation, the best first; "
        "nothing here is ranked with the results of the trained weights alone.",
        columns=(
            *RUN_COLUMNS,
            ReportColumn("split"),
            ReportColumn("adaptation"),
            *(ReportColumn(words(name)) for name in metrics),
            ReportColumn("settings", code=True, printed=False),
            ReportColumn("compared on validation", "settings"),
        ),
        rows=tuple(
            (
                *run_cells(entry),
                card["split"],
                NAMES_OF_ADAPTATIONS[adaptation["kind"]],
                *(card["metrics"].get(name) for name in metrics),
                " ".join(f"{key}={format_setting(value)}" for key, value in adaptation["settings"].items()),
                adaptation["tried"],
            )
            for entry, card, adaptation in rows
        ),
        entries=tuple(entry for entry, _, _ in rows),
    )
