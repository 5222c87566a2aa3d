"""Scoring every target of a split once. Legend: B rows, T steps, H features, N targets, V outputs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from seqlab.data.batch import Batch
from seqlab.data.batches import Batches
from seqlab.measure.item_collector import ItemCollector
from seqlab.measure.metric import Scored, TargetMetric, TextMetric
from seqlab.measure.metric_kinds import METRICS
from seqlab.models.model import SequenceModel, State
from seqlab.models.modes import device_of, evaluating
from seqlab.schema.errors import DivergedError, UserError
from seqlab.schema.records import Curve, Record
from seqlab.tasks.task import Task

Piece = tuple[Tensor, Scored]
"""Some targets, and the index of the sequence of each, counted through all batches."""
TARGETS_AT_ONCE = 1024
"""Targets whose logits exist at a time, at most."""
LOGITS_AT_ONCE = 1 << 20
"""Logits that exist at a time, at most (4 MiB of float32), unless one target has more."""


def evaluate(
    model: SequenceModel,
    task: Task,
    batches: Batches,
    *,
    split: str,
    metrics: Sequence[str],
    items: ItemCollector | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Record]:
    """The records of every named metric of targets over all batches; the model is left as found.

    Args:
        model: dropout is off while it is scored, and no graph is kept.
        task: gives the nats of each target.
        batches: one pass over the split.
        split: its name, for the records.
        metrics: keys of `METRICS` that do not read texts.
        items: is given every target that counts, with the index of its sequence in the pass.
        progress: called after each batch with the number done and the number of all.

    Raises:
        UserError: a metric is unknown, the model cannot carry a state, or there is no target.
        DivergedError: the loss of a target is not finite.
    """
    # Items say which targets are right, for which all outputs are needed.
    outputs = items is not None or any(METRICS[key].reads == "outputs" for key in metrics)
    pieces = score_batches(model, task, batches, outputs=outputs, progress=progress)
    with evaluating(model):
        found = tally(pieces, unit=task.unit, labels=task.labels, split=split, metrics=metrics, items=items)
    return [_on_axis(record, batches.axis) for record in found]


def score_batches(
    model: SequenceModel,
    task: Task,
    batches: Batches,
    *,
    outputs: bool,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Piece]:
    """Every target of all batches, some at a time; iterate within `evaluating`.

    Args:
        model: what is scored.
        task: gives the nats of each target.
        batches: one pass over the split.
        outputs: whether the outputs of the head are needed.
        progress: called after each batch with the number done and the number of all.

    Raises:
        UserError: the model cannot carry a state.
    """
    if batches.carried and not model.capabilities.carries_state:
        raise UserError(
            f"Windows of a stream need a model that carries its state from window to window. "
            f"Got {type(model).__name__}. Nearest: overlapping windows."
        )
    state: State | None = None
    rows = 0
    for index in range(len(batches)):
        batch = batches[index]
        scored, state = _score(model, task, batch, batches.counted(index), state, outputs=outputs)
        state = state if batches.carried else None
        yield from ((rows + row, piece) for piece, row in scored)
        rows += len(batch)
        if progress is not None:
            progress(index + 1, len(batches))


def tally(
    pieces: Iterable[Piece],
    *,
    unit: str,
    labels: tuple[str, ...],
    split: str,
    metrics: Sequence[str],
    items: ItemCollector | None = None,
) -> list[Record]:
    """The records of every named metric over all pieces, no matter how they were scored.

    Args:
        pieces: the targets of a split, each one once, with the index of its sequence in the pass.
        unit: what one target is, "token" or "text".
        labels: names of the outputs, () where they have none.
        split: its name, for the records.
        metrics: keys of `METRICS` that do not read texts.
        items: is given all pieces, too.

    Raises:
        UserError: a metric is unknown, or there is no target.
        DivergedError: the loss of a target is not finite.
    """
    running: list[TargetMetric] = [METRICS[key](unit, labels) for key in metrics]
    for rows, scored in pieces:
        _check_finite(scored, split)
        for metric in running:
            metric.update(scored)
        if items is not None:
            items.add(rows, scored)
    return [record for metric in running for record in metric.records(split)]


def tally_texts(
    hypotheses: Sequence[str],
    references: Sequence[str],
    *,
    unit: str,
    labels: tuple[str, ...],
    split: str,
    metrics: Sequence[str],
) -> list[Record]:
    """The records of every named metric that reads texts.

    Args:
        hypotheses: what a model wrote.
        references: what it should have written, text by text.
        unit: what one target is, "token" or "text".
        labels: names of the outputs, () where they have none.
        split: its name, for the records.
        metrics: keys of `METRICS` that read texts.
    """
    running: list[TextMetric] = [METRICS[key](unit, labels) for key in metrics]
    for metric in running:
        metric.update(hypotheses, references)
    return [record for metric in running for record in metric.records(split)]


def _score(
    model: SequenceModel,
    task: Task,
    batch: Batch,
    counted: Tensor | None,
    state: State | None,
    *,
    outputs: bool,
) -> tuple[Iterator[tuple[Scored, Int[Tensor, " N"]]], State | None]:
    """The targets that count, some at a time, with the sequence of each; and the state after the batch."""
    device = device_of(model)
    mask = batch.target_mask if counted is None else batch.target_mask & counted
    batch, mask = batch.to(device), mask.to(device)
    features, state = model.features(batch, state)
    kept, targets, positions = features[mask], batch.target_values[mask], _positions(batch)[mask]
    rows = mask.nonzero()[:, 0]
    lengths = batch.inputs.lengths[rows]
    _, none = task.scores(model.head, kept[:0], targets[:0], outputs=outputs)
    count = targets_at_once(none.shape[1])

    def pieces() -> Iterator[tuple[Scored, Tensor]]:
        for begin in range(0, len(targets), count):
            part = slice(begin, begin + count)
            nats, logits = task.scores(model.head, kept[part], targets[part], outputs=outputs)
            yield Scored(nats, logits, targets[part], positions[part], lengths[part]), rows[part]

    return pieces(), state


def targets_at_once(outputs: int) -> int:
    """How many targets are scored at a time, by the number of logits that each has; 0: only its nats."""
    return max(1, min(TARGETS_AT_ONCE, LOGITS_AT_ONCE // max(1, outputs)))


def _positions(batch: Batch) -> Tensor:
    """The step of each target; 0 where a sequence has one."""
    values = batch.target_values
    if values.dim() == 1:
        return torch.zeros_like(values)
    return torch.arange(values.shape[1], device=values.device).expand_as(values)


def _on_axis(record: Record, axis: str) -> Record:
    """A curve over positions, with what they are positions in."""
    over_positions = isinstance(record, Curve) and record.x_unit == Batches.axis
    return dataclasses.replace(record, x_unit=axis) if over_positions else record


def _check_finite(scored: Scored, split: str) -> None:
    if not scored.nats.isfinite().all():
        bad = scored.nats[~scored.nats.isfinite()][0].item()
        raise DivergedError(f"The loss of every target must be finite. Got {bad} in split {split!r}.")
