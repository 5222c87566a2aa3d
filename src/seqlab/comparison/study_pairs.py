"""The architectures of a study in pairs, compared over seeds and over the items of the split."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from seqlab.comparison.study import Group, Study
from seqlab.comparison.study_cache import once_per_cells
from seqlab.runs.split_scores import SplitScores
from seqlab.schema.errors import UserError
from seqlab.schema.metric_spec import MetricSpec
from seqlab.stats.item_scores import ItemScores
from seqlab.stats.over_items import ItemScoring
from seqlab.stats.over_seeds import over_seeds
from seqlab.stats.paired import Candidate, Comparison, all_pairs, holm

SCORES = {"loss": "nats", "accuracy": "right"}
"""Metrics that are known for each item, with their names in the scores."""


@dataclass(frozen=True)
class Pairs:
    """Architectures at their best settings, compared in pairs; why_not: why that is impossible."""

    found: Sequence[Comparison]
    items: bool
    why_not: str = ""

    def about(self, name: str) -> list[str]:
        """Sentences that compare one architecture with each other one; a verdict on all comes once, last."""
        shown = [pair for pair in self.found if name in pair.names]
        few = [pair.seeds for pair in shown if pair.seeds is not None and not pair.seeds.enough_seeds]
        lines = [
            pair.items.sentence if pair.items is not None and pair.seeds in few else pair.sentence
            for pair in shown
        ]
        shortened = any(pair.items is not None and pair.seeds in few for pair in shown)
        return [*lines, few[0].verdict] if shortened else lines


@once_per_cells
def pairs(study: Study) -> Pairs:
    """Compare each architecture, at its best setting, with each other one: over seeds, and over items."""
    groups = [group for group in study.best if group.summary.median is not None]
    if len(groups) + len(study.baselines) < 2:
        return Pairs((), False, "There are not two architectures with a value.")
    # A search confirms only its best settings with every seed, so only common seeds can be paired.
    seeds = set.intersection(*({cell.seed for cell in group.cells} for group in groups)) if groups else set()
    metric = study.monitor.name
    items = metric in SCORES and all(group.cells[0].epochs is None for group in groups)
    candidates = [_candidate(group, seeds, items=items) for group in groups]
    candidates += [_candidate(group, set(), items=items) for group in study.baselines if items]
    try:
        comparisons = _compared(study, candidates, groups)
    except UserError as error:
        return Pairs((), items, str(error))
    return Pairs(comparisons, items and any(pair.items is not None for pair in comparisons))


def _compared(study: Study, candidates: Sequence[Candidate], groups: Sequence[Group]) -> list[Comparison]:
    first = groups[0].cells[0].run.folder if groups else None
    scores = None if first is None else first.scores("valid")
    if study.monitor.name in SCORES and scores is not None:
        return all_pairs(candidates, item_scoring(study.monitor, scores))
    comparisons = [
        over_seeds(first.outcomes, second.outcomes, names=(first.name, second.name), metric=study.monitor)
        for first, second in itertools.combinations(candidates, 2)
    ]
    adjusted = holm([pair.p for pair in comparisons])
    return [
        Comparison(items=None, seeds=replace(pair, adjusted_p=p))
        for pair, p in zip(comparisons, adjusted, strict=True)
    ]


def _candidate(group: Group, seeds: set[int], *, items: bool) -> Candidate:
    outcomes = tuple(outcome for outcome in group.outcomes if outcome.seed in seeds)
    folders = [run.folder for run in group.runs if run.folder is not None] if items else []
    known = [folder.scores("valid") for folder in folders]
    return Candidate(
        name=group.architecture,
        outcomes=outcomes,
        items=tuple(item_scores(scores) for scores in known if scores is not None),
    )


def item_scoring(metric: MetricSpec, scores: SplitScores) -> ItemScoring:
    """How models are compared over the items of a split, by one of the metrics in `SCORES`."""
    unit = "text" if metric.unit.rstrip("s").endswith("text") else "token"
    return ItemScoring(
        score="right" if metric.name == "accuracy" else "nats", unit=unit, running=scores.running
    )


def item_scores(scores: SplitScores) -> ItemScores:
    """The scores of a run as statistics take them."""
    return ItemScores(nats=scores.nats, targets=scores.targets, right=scores.right)
