"""The table of a study's settings over their seeds."""

from __future__ import annotations

from seqlab.comparison.study import Group
from seqlab.report.study.chapter_study import ChapterStudy
from seqlab.report.tables import CellValue, ReportColumn, ReportTable, words
from seqlab.schema.settings import format_setting, short_names
from seqlab.stats.formatting import counted, percent


def study_table(study: ChapterStudy) -> ReportTable:
    """The median over seeds of each setting; the best of each architecture is highlighted."""
    groups = [*study.groups, *study.baselines]
    names, unit = short_names(list(study.axes)), study.monitor.unit
    best = {id(group) for group in study.best if group.summary.median is not None}
    censored = any(group.why for group in groups)
    success = study.about.get("success") is not None
    shares = (
        [ReportColumn("succeeded" if success else "with a value", "seeds")] if censored or success else []
    )
    return ReportTable(
        name=f"settings of study {study.name} on {study.chapter.title}",
        caption=_caption(study, censored=censored),
        columns=(
            ReportColumn("architecture"),
            *(ReportColumn(names[key]) for key in study.axes),
            ReportColumn("seeds"),
            ReportColumn(f"median {words(study.monitor.name)}", unit),
            ReportColumn("interval from"),
            ReportColumn("to"),
            ReportColumn("lowest"),
            ReportColumn("highest"),
            *shares,
            *([ReportColumn("no value because")] if censored else []),
        ),
        rows=tuple(_row(study, group, share=bool(shares), censored=censored) for group in groups),
        best=frozenset(index for index, group in enumerate(groups) if id(group) in best),
        censored=frozenset(index for index, group in enumerate(groups) if group.summary.median is None),
    )


def _caption(study: ChapterStudy, *, censored: bool) -> str:
    summaries = sorted({group.summary.seeds: group.summary for group in study.groups}.items())
    coverage = ", ".join(
        f"{percent(summary.coverage_at_least)} of cases with {counted(n, 'seed')}"
        for n, summary in summaries
        if n > 1 and summary.coverage_at_least < summary.interval.level
    )
    few = f"; with so few seeds it is only guaranteed to contain the true median in {coverage}"
    sentences = [
        f"Every setting of the study over its seeds: {words(study.monitor.name)} on the validation split, "
        "by architecture, each with its best setting first. Bold: the best setting of each architecture. "
        f"The interval is the 95 % percentile bootstrap interval of the median{few if coverage else ''}."
    ]
    if censored:
        sentences.append(
            "A seed that did not finish has no value and counts as worse than any other (it is censored). A "
            "median that falls on such a seed has no number. What a run would have reached after its "
            "settings stopped it is not known; it is left out of reliability and importance."
        )
    return " ".join(sentences)


def _row(study: ChapterStudy, group: Group, *, share: bool, censored: bool) -> tuple[CellValue, ...]:
    summary = group.summary
    values = [cell.value for cell in group.cells if cell.value is not None]
    settings = [format_setting(group.setting[key]) if key in group.setting else None for key in study.axes]
    optional = [f"{summary.successes} of {summary.seeds}"] * share + [group.why or None] * censored
    return (
        group.architecture,
        *settings,
        summary.seeds,
        summary.median,
        *summary.interval_ends,
        min(values, default=None),
        max(values, default=None),
        *optional,
    )
