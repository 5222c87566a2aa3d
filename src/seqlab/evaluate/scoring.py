"""Scoring a split of a network's experiment as its task, its batching and its model require."""

from __future__ import annotations

from collections.abc import Sequence

from seqlab.data.batches import Batches
from seqlab.data.dataset import Split
from seqlab.evaluate.decoding import decode_split
from seqlab.evaluate.fitted import ScoringProgress, split_of
from seqlab.experiment.network_experiment import NetworkExperiment
from seqlab.measure.evaluate import evaluate, tally_texts
from seqlab.measure.item_collector import ItemCollector, SplitResult
from seqlab.measure.metric_kinds import METRICS
from seqlab.schema.records import Record


def score(
    experiment: NetworkExperiment,
    split: str,
    metrics: Sequence[str],
    *,
    streams: int = 1,
    progress: ScoringProgress | None = None,
) -> list[Record]:
    """Records of the metrics over a whole split.

    Args:
        experiment: model, task and data.
        split: its name.
        metrics: keys of `seqlab list metrics`.
        streams: parts a running text is scored in; 1 is exact: one stream, every token.
        progress: called with the number of batches done and of all.

    Raises:
        UserError: there is no such split or metric.
    """
    data = split_of(experiment.dataset, split)
    batches = experiment.scoring_batches(data, streams)
    return _records(experiment, split, data, batches, metrics, progress=progress)


def score_training(experiment: NetworkExperiment) -> list[Record]:
    """Records of a part of the training split, without the loss, which training itself records."""
    count = experiment.config.evaluation.train_sequences
    if not count:
        return []
    part = experiment.dataset.splits["train"].subsample(count)
    metrics = [metric for metric in experiment.task.metrics if metric != "loss"]
    return _records(experiment, "train", part, experiment.scoring_batches(part, streams=1), metrics)


def score_exactly(
    experiment: NetworkExperiment,
    split: str,
    metrics: Sequence[str],
    *,
    progress: ScoringProgress | None = None,
    outputs: bool = False,
) -> SplitResult:
    """Metrics and items of a whole split, a running text in one stream; see `Fitted.score`."""
    data = split_of(experiment.dataset, split)
    batches = experiment.scoring_batches(data, streams=1)
    items = ItemCollector(batches.order, outputs=outputs)
    records = _records(experiment, split, data, batches, metrics, progress=progress, items=items)
    return SplitResult(records, items.scores(), items.outputs())


def _records(
    experiment: NetworkExperiment,
    name: str,
    split: Split,
    batches: Batches,
    metrics: Sequence[str],
    *,
    progress: ScoringProgress | None = None,
    items: ItemCollector | None = None,
) -> list[Record]:
    task = experiment.task
    of_texts = [key for key in metrics if METRICS[key].reads == "texts"]
    of_windows = [key for key in metrics if METRICS[key].by_position and experiment.config.batching.running]
    records = evaluate(
        experiment.model,
        task,
        batches,
        split=name,
        metrics=[key for key in metrics if key not in (*of_texts, *of_windows)],
        items=items,
        progress=progress,
    )
    if of_windows:
        windows = experiment.position_batches(split)
        records += evaluate(
            experiment.model, task, windows, split=name, metrics=of_windows, progress=progress
        )
    if of_texts:
        hypotheses, references = decode_split(experiment, split)
        unit, labels = task.unit, task.labels
        records += tally_texts(hypotheses, references, unit=unit, labels=labels, split=name, metrics=of_texts)
    return records
