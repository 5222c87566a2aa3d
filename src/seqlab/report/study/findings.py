"""The findings of a study, one sentence each."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from seqlab.comparison.study import Group, dataset_of, short
from seqlab.comparison.study_importance import Importances
from seqlab.comparison.study_pairs import Pairs
from seqlab.comparison.study_trade_offs import trade_offs
from seqlab.report.study.chapter_study import ChapterStudy
from seqlab.report.tables import words
from seqlab.schema.errors import UserError
from seqlab.stats.formatting import counted
from seqlab.stats.reliability import Reliability
from seqlab.stats.ties import difference


def findings(
    study: ChapterStudy, pairs: Pairs, reliability: Sequence[Reliability], importances: Importances
) -> list[str]:
    """Order, best settings, pairs, reliability, importance, and best settings at the edge of the grid."""
    leaders = [group for group in study.best if group.summary.median is not None]
    ranked = [group.architecture for group in leaders]
    sentences = [_order(study, leaders, pairs)] if len(ranked) > 1 else []
    sentences += [_best_setting(study, group) for group in study.best]
    sentences += [f"{sentence}." for sentence in pairs.about(ranked[0])] if ranked else []
    sentences += [pairs.why_not] if pairs.why_not else []
    if reliability and reliability[0].settings > 1:
        sentences.append(f"Most reliable is {reliability[0].sentence}.")
    if study.axes and len(study.groups) > 1:
        sentences.append(_importance(importances))
    sentences += [f"{sentence}." for sentence in _trade_offs(study)]
    return [*sentences, *(f"{edge}." for edge in study.edges), *_not_begun(study)]


def _trade_offs(study: ChapterStudy) -> list[str]:
    try:
        return trade_offs(study)
    except UserError:
        return []  # the notice at the top of the page names the damaged run


def _not_begun(study: ChapterStudy) -> list[str]:
    """A sentence on each dataset of the study of which no run was started."""
    reasons: dict[str, list[str]] = {}
    for cell in study.not_begun:
        reasons.setdefault(dataset_of(cell.setting) or "other data", []).append(short(cell.censored))
    return [
        f"No run on {dataset} was started: {counted(len(why), 'cell')} without a value ({why[0]})."
        for dataset, why in reasons.items()
    ]


def _order(study: ChapterStudy, leaders: Sequence[Group], pairs: Pairs) -> str:
    significant = any(pair.seeds is not None and pair.seeds.significant for pair in pairs.found)
    several = any(group.summary.seeds > 1 for group in leaders)
    caution = "" if significant or not several else "; no difference is significant over seeds"
    what = "median of the best setting" if several else "result of the best setting"
    if not several:
        caution = "; one seed each, so this is no claim about the architectures"
    equals = itertools.groupby(leaders, key=lambda group: study.loss(group.summary.median))
    order = [" and ".join(group.architecture for group in tied) for _, tied in equals]
    if len(order) == 1:
        return f"The {what} is equal: {order[0]}{caution}."
    return f"Order by the {what}: {', then '.join(order)}{caution}."


def _importance(importances: Importances) -> str:
    if not importances.found:
        return f"The importance of settings is unknown: {importances.why_not}"
    of, importance = next(iter(importances.found.items()))
    return f"Importance of settings, {of}: {importance.sentence}."


def _best_setting(study: ChapterStudy, group: Group) -> str:
    """An architecture at its best setting."""
    metric = study.monitor
    values = [cell.value for cell in group.cells if cell.value is not None]
    name = f"{group.architecture}{f' at {group.label}' if group.label else ''}"
    if not values:
        return f"{name}: no seed has a value ({group.why})."
    spread = difference(max(values), min(values))
    lowest, highest = metric.format_number(min(values), spread), metric.format_number(max(values), spread)
    if len(group.cells) == 1:
        return f"{name}: {words(metric.name)} {metric.format(group.summary.median, spread)}, one seed."
    median = f"median {words(metric.name)} {metric.format(group.summary.median, spread)}"
    sentence = f"{name}: {median}, {lowest} to {highest} over {counted(len(values), 'seed')}"
    return f"{sentence}; without a value: {group.why}." if group.why else f"{sentence}."
