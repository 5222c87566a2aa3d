"""Tables and sentences on a study: its settings, its architectures against each other, what mattered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seqlab.compare import importance as grids
from seqlab.compare import reliability as spread
from seqlab.compare.importance import Importance
from seqlab.compare.items import Items
from seqlab.compare.over_items import Plan
from seqlab.compare.over_seeds import over_seeds
from seqlab.compare.paired import Candidate, Comparison, all_pairs, holm
from seqlab.compare.quantity import counted, percent
from seqlab.compare.reliability import Reliability
from seqlab.report.naming import setting, short_names
from seqlab.report.study import Group, Study
from seqlab.report.tables import Cell, Column, Table, words
from seqlab.runs import folder, scores
from seqlab.schema.errors import UserError

SCORES = {"loss": "nats", "accuracy": "right"}
"""Metrics that are known of each item, with what the scores call them."""
NEAR = 0.05
"""Distance from the best that counts as near, as a fraction of the best value."""


@dataclass(frozen=True)
class Pairs:
    """Architectures at their best settings against each other; `why_not` where that cannot be done."""

    found: Sequence[Comparison]
    items: bool
    why_not: str = ""


def by_setting(study: Study) -> Table:
    """The median over seeds of each setting; the best of each architecture stands out."""
    groups = [*study.groups, *study.baselines]
    names, unit = short_names(list(study.axes)), study.quantity.unit
    best = {id(group) for group in study.best if group.summary.median is not None}
    censored = any(group.why for group in groups)
    return Table(
        name=f"settings of study {study.name} on {study.chapter.title}",
        caption=_by_setting(study, censored=censored),
        columns=(
            Column("architecture"),
            *(Column(names[key]) for key in study.axes),
            Column("seeds"),
            Column(f"median {words(study.quantity.name)}", unit),
            Column("interval from"),
            Column("to"),
            Column("lowest"),
            Column("highest"),
            *([Column("with a value", "seeds"), Column("censored")] if censored else []),
        ),
        rows=tuple(_row(study, group, censored=censored) for group in groups),
        best=frozenset(place for place, group in enumerate(groups) if id(group) in best),
        censored=frozenset(place for place, group in enumerate(groups) if group.summary.median is None),
    )


def _by_setting(study: Study, *, censored: bool) -> str:
    counts = sorted({group.summary.seeds: group.summary for group in study.groups}.items())
    covers = ", ".join(f"{percent(one.coverage_at_least)} of cases with {counted(n, 'seed')}" for n, one in counts)
    last = (
        " A seed that came to no end is censored: worse than any value seen. Where the median itself is, there "
        "is no number."
        if censored
        else ""
    )
    return (
        f"Every setting of the study over its seeds, {words(study.quantity.name)} on the validation split, the best "
        "first; bold: the best of each architecture. The interval is of the median, by the percentile bootstrap at "
        f"95 %; of so few seeds it is sure to hold the true median in no more than {covers}.{last}"
    )


def _row(study: Study, group: Group, *, censored: bool) -> tuple[Cell, ...]:
    one = group.summary
    known = [cell.value for cell in group.cells if cell.value is not None]
    settings = [setting(group.setting[key]) if key in group.setting else None for key in study.axes]
    more = [f"{one.successes} of {one.seeds}", group.why or None] if censored else []
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


def pairs(study: Study) -> Pairs:
    """Each architecture, at its best setting, against each other one: over seeds, and over items."""
    groups = [group for group in study.best if group.summary.median is not None]
    if len(groups) + len(study.baselines) < 2:
        return Pairs((), False, "There are not two architectures with a value.")
    seeds = set.intersection(*({cell.seed for cell in group.cells} for group in groups)) if groups else set()
    metric = study.quantity.name
    items = metric in SCORES and all(group.cells[0].epochs is None for group in groups)
    candidates = [_candidate(group, seeds, items=items) for group in groups]
    candidates += [_candidate(group, set(), items=items) for group in study.baselines if items]
    try:
        found = _compared(study, candidates, groups)
    except UserError as error:
        return Pairs((), items, str(error))
    return Pairs(found, items and any(pair.items is not None for pair in found))


def _compared(study: Study, candidates: Sequence[Candidate], groups: Sequence[Group]) -> list[Comparison]:
    first = scores.read(folder.open_run(folder.root() / groups[0].cells[0].run), "valid") if groups else None
    if study.quantity.name in SCORES and first is not None:
        unit = "text" if study.quantity.unit.rstrip("s").endswith("text") else "token"
        plan = Plan(score="right" if study.quantity.name == "accuracy" else "nats", unit=unit, running=first.running)
        return all_pairs(candidates, plan)
    found = [
        over_seeds(one.outcomes, other.outcomes, names=(one.name, other.name), quantity=study.quantity)
        for place, one in enumerate(candidates)
        for other in candidates[place + 1 :]
    ]
    from dataclasses import replace

    adjusted = holm([pair.p for pair in found])
    return [
        Comparison(items=None, seeds=replace(pair, adjusted_p=p)) for pair, p in zip(found, adjusted, strict=True)
    ]


def _candidate(group: Group, seeds: set[int], *, items: bool) -> Candidate:
    outcomes = tuple(outcome for outcome in group.outcomes if outcome.seed in seeds)
    runs = [cell.run for cell in group.cells if cell.value is not None]
    known = [scores.read(folder.open_run(folder.root() / run), "valid") for run in runs] if items else []
    return Candidate(
        name=group.architecture,
        outcomes=outcomes,
        items=tuple(
            Items(nats=one.nats, targets=one.targets, right=one.right) for one in known if one is not None
        ),
    )


def pairs_table(study: Study, pairs: Pairs) -> Table | None:
    """The comparisons, the readings in words; None where there are none."""
    if not pairs.found:
        return None
    at = "; ".join(f"{group.architecture}: {group.label}" for group in study.best if group.label)
    items = (
        "Over items: how far other texts would change the order of these very models. Over seeds: how far other "
        "seeds would."
        if pairs.items
        else "Over seeds: how far other seeds would change the order; of values after so many epochs, no scores "
        "of single items are kept."
    )
    return Table(
        name=f"pairs of study {study.name} on {study.chapter.title}",
        caption=f"Architectures against each other, each at its best setting{f' ({at})' if at else ''}, which was "
        f"chosen by the same validation split. {items} p after Holm's correction for the number of pairs. "
        "Differences are first minus second.",
        columns=(
            Column("first"),
            Column("second"),
            *([Column("difference over items"), Column("p over items")] if pairs.items else []),
            Column("difference over seeds"),
            Column("p over seeds"),
            Column("smallest p possible"),
            Column("reading"),
        ),
        rows=tuple(_pair(pair, items=pairs.items) for pair in pairs.found),
    )


def _pair(pair: Comparison, *, items: bool) -> tuple[Cell, ...]:
    known = pair.seeds or pair.items
    assert known is not None, "one of the two is there"
    of_items = [None, None] if pair.items is None else [pair.items.difference, pair.items.adjusted_p]
    of_seeds = (
        [None, None, None]
        if pair.seeds is None
        else [pair.seeds.difference, pair.seeds.adjusted_p, pair.seeds.smallest_p]
    )
    return (known.first, known.second, *(of_items if items else []), *of_seeds, pair.reading)


def reliability(study: Study) -> list[Reliability]:
    """Spread over settings of each architecture, the most reliable first."""
    medians = [group.summary.median for group in study.groups if group.summary.median is not None]
    if not medians:
        return []
    best = min(medians, key=study.loss)
    settings = [
        spread.Setting(
            architecture=group.architecture, setting=group.label or "its only one", value=group.summary.median
        )
        for group in study.groups
    ]
    return spread.reliability(settings, study.quantity, within=NEAR * abs(best))


def reliability_table(study: Study, found: Sequence[Reliability]) -> Table | None:
    """Which architecture does well with most settings; None where no architecture has two."""
    if max((one.settings for one in found), default=0) < 2:
        return None
    unit = study.quantity.unit
    return Table(
        name=f"reliability in study {study.name} on {study.chapter.title}",
        caption=f"Which architecture is most reliable: the spread of the settings' medians, the most reliable first. "
        f"Near: within {100 * NEAR:g} % of the best of all. It holds for the settings that were tried.",
        columns=(
            Column("architecture"),
            Column("settings"),
            Column("near the best of all", "fraction of settings"),
            Column("near its own best", "fraction of settings"),
            Column("best", unit),
            Column("lower quartile", unit),
            Column("median", unit),
            Column("upper quartile", unit),
            Column("censored", "settings"),
            Column("best setting"),
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


def importance(study: Study) -> Importance | str:
    """What each setting explains; a sentence where that cannot be said."""
    keys = [key for key, values in study.axes.items() if len(values) > 1]
    names = short_names(keys)
    several = len({group.architecture for group in study.groups}) > 1
    found = [
        grids.Cell(
            settings={
                **({"architecture": group.architecture} if several else {}),
                **{names[key]: setting(group.setting.get(key)) for key in keys},
            },
            values=tuple(cell.value for cell in group.cells),
        )
        for group in study.groups
    ]
    failed = any(cell.value is None for group in study.groups for cell in group.cells)
    try:
        return grids.importance(found, study.quantity, scale="rank" if failed else "value")
    except UserError as error:
        return f"What mattered cannot be said of this study: {error}"


def importance_table(study: Study, found: Importance | str) -> Table | None:
    """The share of each setting in the variance over the grid; None where it is not known."""
    if isinstance(found, str) or not found.effects:
        return None
    ranks = " Some runs came to no end, so it is of ranks, not of values." if found.ranks else ""
    return Table(
        name=f"importance in study {study.name} on {study.chapter.title}",
        caption="What mattered: the share of each setting, and of each pair beyond its two settings, in the variance "
        f"over all {found.cells} cells of the grid (functional ANOVA). By chance: what seeds alone would be expected "
        f"to give. p: of the F test against seeds.{ranks}",
        columns=(
            Column("setting"),
            Column("share", "fraction of variance"),
            Column("by chance", "fraction of variance"),
            Column("p"),
        ),
        rows=(
            *((effect.name, effect.share, effect.noise, effect.p) for effect in found.effects),
            *((("higher interactions", found.rest, None, None),) if found.rest > 0 else ()),
        ),
    )


def findings(
    study: Study, compared: Pairs, reliable: Sequence[Reliability], mattered: Importance | str
) -> list[str]:
    """What was found, one sentence each."""
    known = [group for group in study.best if group.summary.median is not None]
    found = []
    if len(known) > 1:
        found.append(f"Order by the best setting's median: {', then '.join(group.architecture for group in known)}.")
    for group in study.best:
        where = f" at {group.label}" if group.label else ""
        found.append(f"{group.architecture}{where}: {group.summary.reading}.")
    found += [f"{pair.reading}." for pair in compared.found]
    found += [compared.why_not] if compared.why_not else []
    if reliable and reliable[0].settings > 1:
        found.append(f"Most reliable is {reliable[0].reading}.")
    if len(study.groups) > len(known) or len(known) > 1:
        found.append(mattered if isinstance(mattered, str) else f"What mattered, {mattered.reading}.")
    return found
