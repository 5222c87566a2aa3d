"""The findings of a study, one sentence each."""

from __future__ import annotations

from collections.abc import Sequence

from seqlab.compare.study import Group
from seqlab.compare.study_importance import Importances
from seqlab.compare.study_pairs import Pairs
from seqlab.report.study.chapter_study import ChapterStudy
from seqlab.report.tables import words
from seqlab.stats.formatting import counted
from seqlab.stats.reliability import Reliability


def findings(
    study: ChapterStudy, pairs: Pairs, reliability: Sequence[Reliability], importances: Importances
) -> list[str]:
    """Order, best settings, pairs, reliability, importance, and best settings at the edge of the grid."""
    ranked = [group.architecture for group in study.best if group.summary.median is not None]
    sentences = [_order(ranked, pairs)] if len(ranked) > 1 else []
    sentences += [_best_setting(study, group) for group in study.best]
    sentences += [f"{sentence}." for sentence in pairs.about(ranked[0])] if ranked else []
    sentences += [pairs.why_not] if pairs.why_not else []
    if reliability and reliability[0].settings > 1:
        sentences.append(f"Most reliable is {reliability[0].sentence}.")
    if len(study.groups) > 1:
        sentences.append(_importance(importances))
    return [*sentences, *(f"{edge}." for edge in study.edges)]


def _order(ranked: Sequence[str], pairs: Pairs) -> str:
    significant = any(pair.seeds is not None and pair.seeds.significant for pair in pairs.found)
    caution = "" if significant else "; no difference is significant over seeds"
    return f"Order by the median of the best setting: {', then '.join(ranked)}{caution}."


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
    spread = max(values) - min(values)
    lowest, highest = metric.format_number(min(values), spread), metric.format_number(max(values), spread)
    median = f"median {words(metric.name)} {metric.format(group.summary.median, spread)}"
    sentence = f"{name}: {median}, {lowest} to {highest} over {counted(len(values), 'seed')}"
    return f"{sentence}; without a value: {group.why}." if group.why else f"{sentence}."
