"""What choosing the best of many settings does to their values, and what the test split says instead."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

from seqlab.comparison.study import Group, Study
from seqlab.comparison.study_cells import FinalScore, StudyCell
from seqlab.schema.errors import UserError
from seqlab.schema.metric_spec import MetricSpec
from seqlab.stats.formatting import percent
from seqlab.stats.interval import Interval, binomial_share

MANY = 10
"""Settings of an architecture from which on it is said that the best of them is optimistic."""


def chosen(study: Study) -> list[str]:
    """The best setting of each architecture with its interval, and what the choice does to it.

    Empty where no architecture was tried with many settings.
    """
    groups = [group for group in study.best if group.summary.median is not None]
    settings = Counter(group.architecture for group in study.groups if group.summary.median is not None)
    most = max(settings.values(), default=0)
    if most < MANY:
        return []
    sentences = [f"{group.architecture} at {group.label}: {_validated(group, study)}" for group in groups]
    return [
        *sentences,
        f"Each is the best of up to {most} settings on the same validation texts, so it is optimistic: some "
        "of its lead is chance, which the interval does not contain. The fair figure is that of the test "
        "split, which takes no part in the choice and which --final scores once",
    ]


def on_test(scores: Sequence[FinalScore], study: Study) -> list[str]:
    """The chosen settings on the test split, in the order of their values on the validation split."""
    metric, sentences = study.monitor, list[str]()
    for name in dict.fromkeys(group.architecture for group in study.ranked):
        own = [score for score in scores if score.architecture == name]
        known = [score for score in own if metric.name in score.card["metrics"]]
        sentences += [f"{name}: {_tested(known, metric)}"] if known else []
    return sentences


def interval_of(value: float, texts: int, metric: MetricSpec) -> Interval | None:
    """The interval of the share of texts that are labelled rightly; None of another metric."""
    if metric.name != "accuracy" or metric.unit != "fraction of texts" or not texts:
        return None
    return binomial_share(round(value * texts), texts)


def _validated(group: Group, study: Study) -> str:
    value, (cell, *further) = group.summary.median, group.cells
    assert value is not None, "only settings with a value are chosen"
    if further:
        return f"median {study.monitor.format(value, 0.0)} over {len(group.cells)} seeds"
    return _with_interval(value, _texts(cell), study.monitor)


def _texts(cell: StudyCell) -> int:
    """Texts of the validation split; 0 where that is not known."""
    # The report of the run states that a file is damaged.
    with suppress(UserError):
        data = None if cell.run.folder is None else cell.run.folder.data()
        return 0 if data is None else data["splits"]["valid"]["sequences"]
    return 0


def _tested(scores: Sequence[FinalScore], metric: MetricSpec) -> str:
    value = statistics.median(score.card["metrics"][metric.name] for score in scores)
    if len(scores) > 1:
        return f"median {metric.format(value, 0.0)} over {len(scores)} seeds"
    return _with_interval(value, scores[0].card["sequences"], metric)


def _with_interval(value: float, texts: int, metric: MetricSpec) -> str:
    """A value of one seed, with the interval over texts where there is one."""
    interval = interval_of(value, texts, metric)
    if interval is None:
        return metric.format(value, 0.0)
    low, high = (metric.format(end, interval.width) for end in interval.ends)
    shown = metric.format(value, interval.width)
    return f"{shown}, {percent(interval.level)} interval over {texts:,} texts {low} to {high}"
