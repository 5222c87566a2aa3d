"""Tables of the importance of settings: their shares in the variance between settings."""

from __future__ import annotations

from seqlab.comparison.study_importance import Importances
from seqlab.report.study.chapter_study import ChapterStudy
from seqlab.report.tables import ReportColumn, ReportTable
from seqlab.stats.importance import Importance


def importance_tables(study: ChapterStudy, importances: Importances) -> list[ReportTable]:
    """The importance of each setting: for all architectures together, and for each of them."""
    return [
        _table(study, of, importance) for of, importance in importances.found.items() if importance.effects
    ]


def _table(study: ChapterStudy, of: str, importance: Importance) -> ReportTable:
    return ReportTable(
        name=f"importance for {of} in study {study.name} on {study.chapter.title}",
        caption=_caption(of, importance),
        columns=(
            ReportColumn("setting"),
            ReportColumn("share", "fraction of variance"),
            ReportColumn("by chance", "fraction of variance"),
            ReportColumn("p"),
        ),
        rows=(
            *((effect.name, effect.share, effect.noise, effect.p) for effect in importance.effects),
            *(((importance.rest_name, importance.rest, None, None),) if importance.rest > 0 else ()),
        ),
    )


def _caption(of: str, importance: Importance) -> str:
    method = (
        f"over {importance.cells} settings of a search, estimated by a random forest (functional ANOVA)"
        if importance.estimated
        else f"over all {importance.cells} cells of the grid (functional ANOVA). By chance: the share "
        "expected from seeds alone. p: of the F test against seeds"
    )
    ranks = (
        " Some runs did not finish, so the variance is of ranks, not of values." if importance.ranks else ""
    )
    return (
        f"Importance of settings, {of}: the share of each setting, and of each pair beyond its two settings, "
        f"in the variance {method}.{ranks}"
    )
