"""Scoring a split the way the task and the model call for, and writing samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from seqlab.data.batch import Batch
from seqlab.data.batching import SequenceBatching, StreamConfig
from seqlab.data.dataset import Split
from seqlab.decode.sampling import SamplingOptions
from seqlab.evaluate.loaded import predict, sample
from seqlab.experiment import seeding
from seqlab.experiment.network_experiment import Experiment
from seqlab.measure.contexts import OverlappingWindows
from seqlab.measure.evaluate import evaluate
from seqlab.measure.item_collector import ItemCollector, SplitResult
from seqlab.models.modes import evaluating
from seqlab.schema.errors import unknown
from seqlab.schema.records import Record, Text

WINDOW = 256
"""Tokens a carried state is unrolled over in evaluation; the cutting changes nothing but memory."""

SHOWN = 200
"""Characters of a classified text that its sample shows."""


@dataclass(frozen=True)
class ScoringPass:
    """One pass over a split, every target scored once; `context` says what each one sees."""

    batches: Sequence[Batch]
    carry: bool
    counted: Callable[[int], Tensor] | None
    order: NDArray[np.int64] | None
    """The text of each row, rows counted through all batches; None: the targets are those of one text."""
    context: str


def score(
    experiment: Experiment,
    split: str,
    metrics: Sequence[str],
    *,
    rows: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> list[Record]:
    """Records of the metrics over a whole split.

    Args:
        experiment: model, task and data.
        split: its name.
        metrics: keys of `seqlab list metrics`.
        rows: parts a running text is scored in; 1 is exact: one stream, every token.
        progress: called with batches done and all.

    Raises:
        UserError: there is no such split or metric.
    """
    plan = scoring_pass(experiment, _split(experiment, split), rows)
    return _evaluate(experiment, split, metrics, plan, progress=progress)


def score_training(experiment: Experiment) -> list[Record]:
    """Records of a part of the training split, without the loss, which training itself records."""
    count, split = experiment.config.evaluation.train_sequences, experiment.dataset.splits["train"]
    metrics = [metric for metric in experiment.task.metrics if metric != "loss"]
    if not count:
        return []
    plan = scoring_pass(experiment, split.spread(count), rows=1)
    return _evaluate(experiment, "train", metrics, plan, progress=None)


def score_exactly(
    experiment: Experiment,
    split: str,
    metrics: Sequence[str],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> SplitResult:
    """Metrics and items of a whole split, a running text in one part; see `score`."""
    plan = scoring_pass(experiment, _split(experiment, split), rows=1)
    items = ItemCollector(plan.order)
    records = _evaluate(experiment, split, metrics, plan, progress=progress, items=items)
    return SplitResult(records, items.scores())


def scoring_pass(experiment: Experiment, split: Split, rows: int) -> ScoringPass:
    """How a split is scored: whole sequences, one carried stream, or overlapping windows."""
    batching, task = experiment.config.batching, experiment.task
    if not isinstance(batching, StreamConfig):
        assert isinstance(batching, SequenceBatching), "the table has these two families"
        order = batching.order(split.lengths)
        return ScoringPass(task.batches(split, batching, None), False, None, order, "whole sequences")
    if experiment.model.capabilities.carries_state:
        window = max(batching.sequence_length, WINDOW)
        batches = task.batches(split, StreamConfig(batch_size=rows, sequence_length=window), None)
        context = f"{rows} stream{'s' * (rows > 1)}, state carried from start to end"
        return ScoringPass(batches, True, None, None, context)
    start = experiment.dataset.tokenizer.vocabulary.start
    assert start is not None, "checked when the task was built"
    windows = OverlappingWindows(
        split.tokens, window=batching.sequence_length, start=start, rows=batching.batch_size
    )
    return ScoringPass(
        windows,
        False,
        windows.counted,
        None,
        f"{batching.sequence_length - batching.sequence_length // 2} to {batching.sequence_length - 1} tokens of context",
    )


def _split(experiment: Experiment, name: str) -> Split:
    if name not in experiment.dataset.splits:
        raise unknown("split", name, experiment.dataset.splits)
    return experiment.dataset.splits[name]


def _evaluate(
    experiment: Experiment,
    split: str,
    metrics: Sequence[str],
    plan: ScoringPass,
    *,
    progress: Callable[[int, int], None] | None,
    items: ItemCollector | None = None,
) -> list[Record]:
    return evaluate(
        experiment.model,
        experiment.task,
        plan.batches,
        split=split,
        metrics=metrics,
        carry=plan.carry,
        counted=plan.counted,
        items=items,
        progress=progress,
    )


def write_samples(experiment: Experiment, name: str, step: int) -> list[Text]:
    """What the model writes now; the draws depend on the seed, the name and the step alone.

    A classifier's samples are its answers on the first texts of the validation split.
    """
    settings = experiment.config.samples
    if settings.count == 0:
        return []
    if not experiment.model.capabilities.causal:
        return _predictions(experiment, name, settings.count)
    return sample(
        experiment.model,
        experiment.dataset.tokenizer,
        settings.prompt,
        name=name,
        count=settings.count,
        length=settings.max_tokens,
        choice=SamplingOptions(temperature=settings.temperature),
        random=seeding.generator(experiment.config.seed, name, step),
    )


def _predictions(experiment: Experiment, name: str, count: int) -> list[Text]:
    dataset, split = experiment.dataset, experiment.dataset.splits["valid"]
    texts: list[Text] = []
    with evaluating(experiment.model):
        for index in range(min(count, len(split))):
            ids = split.tokens[split.offsets[index] : split.offsets[index + 1]].tolist()
            answers = predict(experiment.model, dataset.labels, ids)
            answer = max(answers, key=answers.__getitem__)
            words = f"{answer} {answers[answer]:.3f} (labelled {dataset.label_of(split, index)})"
            text = dataset.tokenizer.decode(ids)
            shown = text[:SHOWN] + " ..." if len(text) > SHOWN else text
            texts.append(Text(name=name, prompt=shown, text=words, complete=True))
    return texts
