"""Tables of scores beside the results: the spread over seeds, and splits other than validation."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from seqlab.report.chapters import Chapter
from seqlab.report.tables import RUN_COLUMNS, CellValue, ReportColumn, ReportTable, run_cells, words


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
