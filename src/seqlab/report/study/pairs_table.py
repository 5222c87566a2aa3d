"""The table that compares a study's architectures in pairs."""

from __future__ import annotations

from seqlab.comparison.study_pairs import Pairs
from seqlab.report.study.chapter_study import ChapterStudy
from seqlab.report.tables import CellValue, ReportColumn, ReportTable
from seqlab.stats.paired import Comparison

_ITEM_COLUMNS = (
    ReportColumn("difference", "over items"),
    ReportColumn("from", "95 %"),
    ReportColumn("to", "95 %"),
    ReportColumn("p", "over items"),
)
_SEED_COLUMNS = (
    ReportColumn("difference", "over seeds"),
    ReportColumn("p", "over seeds"),
    ReportColumn("smallest possible p", "with this number of seeds"),
)


def pairs_table(study: ChapterStudy, pairs: Pairs) -> ReportTable | None:
    """One row per pair; None where there are no pairs."""
    if not pairs.found:
        return None
    return ReportTable(
        name=f"pairs of study {study.name} on {study.chapter.title}",
        caption=_caption(study, items=pairs.items),
        columns=(
            ReportColumn("first"),
            ReportColumn("second"),
            *(_ITEM_COLUMNS if pairs.items else ()),
            *_SEED_COLUMNS,
            ReportColumn("differs significantly over"),
        ),
        rows=tuple(_row(pair, items=pairs.items) for pair in pairs.found),
    )


def _caption(study: ChapterStudy, *, items: bool) -> str:
    settings = "; ".join(f"{group.architecture}: {group.label}" for group in study.best if group.label)
    uncertainty = (
        "Over items: how much the order of these trained models depends on the evaluated texts. Over seeds: "
        "how much the order depends on the seeds."
        if items
        else "Over seeds: how much the order depends on the seeds. Scores of single items are not kept for "
        "values after a given number of epochs."
    )
    return (
        "Architectures compared in pairs, each at its best setting"
        f"{f' ({settings})' if settings else ''}, which was chosen on the same validation split. "
        f"{uncertainty} p-values are corrected for the number of pairs (Holm). Differences are first minus "
        "second."
    )


def _row(pair: Comparison, *, items: bool) -> tuple[CellValue, ...]:
    over_items: list[CellValue] = [None] * len(_ITEM_COLUMNS)
    if pair.items is not None:
        over_items = [pair.items.difference, *pair.items.interval.ends, pair.items.adjusted_p]
    over_seeds: list[CellValue] = [None] * len(_SEED_COLUMNS)
    if pair.seeds is not None:
        over_seeds = [pair.seeds.difference, pair.seeds.adjusted_p, pair.seeds.smallest_p]
    return (*pair.names, *(over_items if items else []), *over_seeds, _significant_over(pair))


def _significant_over(pair: Comparison) -> str:
    """Over what the two differ significantly; "neither" where chance may explain the difference."""
    comparisons = (("items", pair.items), ("seeds", pair.seeds))
    significant = [
        name for name, comparison in comparisons if comparison is not None and comparison.significant
    ]
    return " and ".join(significant) or "neither"
