"""The table of a study's architectures against each other."""

from __future__ import annotations

from seqlab.compare.study_pairs import Pairs
from seqlab.report.study.chapter_study import StudyView
from seqlab.report.tables import CellValue, ReportColumn, ReportTable
from seqlab.stats.paired import Comparison

_ITEMS = (
    ReportColumn("difference", "over items"),
    ReportColumn("from", "95 %"),
    ReportColumn("to", "95 %"),
    ReportColumn("p", "over items"),
)


def pairs_table(study: StudyView, pairs: Pairs) -> ReportTable | None:
    """The comparisons, the readings in words; None where there are none."""
    if not pairs.found:
        return None
    at = "; ".join(f"{group.architecture}: {group.label}" for group in study.best if group.label)
    items = (
        "Over items: how far other texts would change the order of these very models. Over seeds: how far "
        "other seeds would."
        if pairs.items
        else "Over seeds: how far other seeds would change the order; of values after so many epochs, no "
        "scores of single items are kept."
    )
    return ReportTable(
        name=f"pairs of study {study.name} on {study.chapter.title}",
        caption=f"Architectures against each other, each at its best setting{f' ({at})' if at else ''}, "
        f"which was chosen by the same validation split. {items} p after Holm's correction for the number "
        "of pairs. Differences are first minus second.",
        columns=(
            ReportColumn("first"),
            ReportColumn("second"),
            *(_ITEMS if pairs.items else ()),
            ReportColumn("difference", "over seeds"),
            ReportColumn("p", "over seeds"),
            ReportColumn("least p", "so many seeds can give"),
            ReportColumn("told apart by"),
        ),
        rows=tuple(_pair(pair, items=pairs.items) for pair in pairs.found),
    )


def _pair(pair: Comparison, *, items: bool) -> tuple[CellValue, ...]:
    of_items = [None] * len(_ITEMS)
    if pair.items is not None:
        of_items = [pair.items.difference, *pair.items.interval.ends, pair.items.adjusted_p]
    of_seeds = (
        [None, None, None]
        if pair.seeds is None
        else [pair.seeds.difference, pair.seeds.adjusted_p, pair.seeds.smallest_p]
    )
    return (*pair.names, *(of_items if items else []), *of_seeds, _told_by(pair))


def _told_by(pair: Comparison) -> str:
    """What tells the two from each other; "nothing" where it may all be chance."""
    parts = (("items", pair.items), ("seeds", pair.seeds))
    return " and ".join(name for name, one in parts if one is not None and one.tells) or "nothing"
