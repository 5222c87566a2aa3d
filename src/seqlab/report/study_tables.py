"""Tables and sentences on a study: its settings, its architectures against each other, what mattered."""

from __future__ import annotations

from collections.abc import Sequence

from seqlab.compare.study import Group
from seqlab.compare.study_importance import Importances
from seqlab.compare.study_pairs import Pairs
from seqlab.report.study_view import StudyView
from seqlab.report.tables import CellValue, ReportColumn, ReportTable, words
from seqlab.schema.settings import format_setting, short_names
from seqlab.stats.formatting import counted, percent
from seqlab.stats.importance import Importance
from seqlab.stats.reliability import Reliability


def by_setting(study: StudyView) -> ReportTable:
    """The median over seeds of each setting; the best of each architecture stands out."""
    groups = [*study.groups, *study.baselines]
    names, unit = short_names(list(study.axes)), study.monitor.unit
    best = {id(group) for group in study.best if group.summary.median is not None}
    censored, succeed = any(group.why for group in groups), study.about.get("success") is not None
    shares = (
        [ReportColumn("succeeded" if succeed else "with a value", "seeds")] if censored or succeed else []
    )
    return ReportTable(
        name=f"settings of study {study.name} on {study.chapter.title}",
        caption=_by_setting(study, censored=censored),
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
            *([ReportColumn("censored")] if censored else []),
        ),
        rows=tuple(_row(study, group, share=bool(shares), censored=censored) for group in groups),
        best=frozenset(place for place, group in enumerate(groups) if id(group) in best),
        censored=frozenset(place for place, group in enumerate(groups) if group.summary.median is None),
    )


def _by_setting(study: StudyView, *, censored: bool) -> str:
    counts = sorted({group.summary.seeds: group.summary for group in study.groups}.items())
    covers = ", ".join(
        f"{percent(one.coverage_at_least)} of cases with {counted(n, 'seed')}" for n, one in counts
    )
    last = (
        " A seed that came to no end is censored: worse than any value seen. Where the median itself is, "
        "there is no number."
        if censored
        else ""
    )
    return (
        f"Every setting of the study over its seeds, {words(study.monitor.name)} on the validation split, "
        "the best first; bold: the best of each architecture. The interval is of the median, by the "
        "percentile bootstrap at 95 %; of so few seeds it is sure to hold the true median in no more than "
        f"{covers}.{last}"
    )


def _row(study: StudyView, group: Group, *, share: bool, censored: bool) -> tuple[CellValue, ...]:
    one = group.summary
    known = [cell.value for cell in group.cells if cell.value is not None]
    settings = [format_setting(group.setting[key]) if key in group.setting else None for key in study.axes]
    more = [f"{one.successes} of {one.seeds}"] * share + [group.why or None] * censored
    ends = (one.interval.low, one.interval.high)
    return (
        group.architecture,
        *settings,
        one.seeds,
        one.median,
        *ends,
        min(known, default=None),
        max(known, default=None),
        *more,
    )


def reliability_table(study: StudyView, found: Sequence[Reliability]) -> ReportTable | None:
    """Which architecture does well with most settings; None where no architecture has two."""
    if max((one.settings for one in found), default=0) < 2:
        return None
    unit, near = study.monitor.unit, found[0].within
    return ReportTable(
        name=f"reliability in study {study.name} on {study.chapter.title}",
        caption="Which architecture is most reliable: the spread of the settings' medians, the most "
        f"reliable first. Near: within {study.monitor.format_difference(near, near)} of "
        "the best. It holds for the settings that were tried.",
        columns=(
            ReportColumn("architecture"),
            ReportColumn("settings"),
            ReportColumn("near the best of all", "fraction of settings"),
            ReportColumn("near its own best", "fraction of settings"),
            ReportColumn("best", unit),
            ReportColumn("lower quartile", unit),
            ReportColumn("median", unit),
            ReportColumn("upper quartile", unit),
            ReportColumn("censored", "settings"),
            ReportColumn("best setting"),
        ),
        rows=tuple(
            (
                one.architecture,
                one.settings,
                one.near_overall_best,
                one.near_own_best,
                one.best,
                one.lower_quartile,
                one.median,
                one.upper_quartile,
                one.censored,
                one.best_setting,
            )
            for one in found
        ),
    )


def importance_tables(study: StudyView, found: Importances) -> list[ReportTable]:
    """The share of each setting in the variance, of all architectures together and of each."""
    return [_shares(study, of, one) for of, one in found.found.items() if one.effects]


def _shares(study: StudyView, of: str, found: Importance) -> ReportTable:
    ranks = " Some runs came to no end, so it is of ranks, not of values." if found.ranks else ""
    how = (
        f"over {found.cells} settings of a search, estimated by a random forest (functional ANOVA)"
        if found.estimated
        else f"over all {found.cells} cells of the grid (functional ANOVA). By chance: what seeds alone "
        "would be expected to give. p: of the F test against seeds"
    )
    return ReportTable(
        name=f"importance for {of} in study {study.name} on {study.chapter.title}",
        caption=f"What mattered, {of}: the share of each setting, and of each pair beyond its two settings, "
        f"in the variance {how}.{ranks}",
        columns=(
            ReportColumn("setting"),
            ReportColumn("share", "fraction of variance"),
            ReportColumn("by chance", "fraction of variance"),
            ReportColumn("p"),
        ),
        rows=(
            *((effect.name, effect.share, effect.noise, effect.p) for effect in found.effects),
            *(((found.rest_name, found.rest, None, None),) if found.rest > 0 else ()),
        ),
    )


def findings(
    study: StudyView, compared: Pairs, reliable: Sequence[Reliability], mattered: Importances
) -> list[str]:
    """What was found, one sentence each."""
    known = [group.architecture for group in study.best if group.summary.median is not None]
    found = []
    if len(known) > 1:
        sure = any(pair.seeds is not None and pair.seeds.tells for pair in compared.found)
        doubt = "" if sure else "; over seeds nothing of it can be told from chance"
        found.append(f"Order by the best setting's median: {', then '.join(known)}{doubt}.")
    found += [_best(study, group) for group in study.best]
    found += [f"{sentence}." for sentence in compared.about(known[0])] if known else []
    found += [compared.why_not] if compared.why_not else []
    if reliable and reliable[0].settings > 1:
        found.append(f"Most reliable is {reliable[0].reading}.")
    if len(study.groups) > 1:
        found.append(_mattered(mattered))
    found += [f"{edge}." for edge in study.edges]
    return found


def _mattered(found: Importances) -> str:
    if not found.found:
        return f"What mattered most cannot be said: {found.why_not}"
    of, one = next(iter(found.found.items()))
    return f"What mattered, {of}: {one.reading}."


def _best(study: StudyView, group: Group) -> str:
    """An architecture at its best setting."""
    one, what = group.summary, study.monitor
    known = [cell.value for cell in group.cells if cell.value is not None]
    where = f"{group.architecture}{f' at {group.label}' if group.label else ''}"
    if not known:
        return f"{where}: no seed has a value ({group.why})."
    spread = max(known) - min(known)
    ends = (what.format_number(min(known), spread), what.format_number(max(known), spread))
    middle = f"median {words(what.name)} {what.format(one.median, spread)}"
    said = f"{where}: {middle}, {ends[0]} to {ends[1]} over {counted(len(known), 'seed')}"
    return f"{said}; without a value: {group.why}." if group.why else f"{said}."
