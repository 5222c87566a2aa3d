"""Teacher-forced against free-running loss. Legend: B sequences, T steps, V outputs."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from seqlab.data.batch import Batch
from seqlab.data.batches import Batches, SelectedBatches
from seqlab.measure.diagnosis import DiagnosedSplit, Diagnosis
from seqlab.measure.metric import Scored
from seqlab.measure.positions import LossPerPosition, check_tokens, position_sentence
from seqlab.models.model import SequenceModel
from seqlab.models.modes import device_of, evaluating
from seqlab.runs.cards import FREE_RUNNING, TEACHER_FORCED
from seqlab.schema.records import Record
from seqlab.tasks.task import Task

MOST_TOKENS = 30_000
"""Tokens of the batches that are read, at most, unless one batch has more: each step is one of its own."""
SEED = 1
"""Of what the model draws, so that every run and every repetition draws with the same numbers."""


def diagnose(model: SequenceModel, task: Task, data: DiagnosedSplit) -> Diagnosis:
    """Mean loss at each position, over the same targets, teacher-forced and free-running, with its error.

    Both begin with the true first input and a zero state. Teacher-forced, the model reads the true tokens
    x_1, ..., x_(t-1) before it predicts x_t. Free-running, it reads in their place y_1, ..., y_(t-1), each of
    which it has drawn from its own distribution after those before, as `seqlab sample` does: at temperature
    1, never a special token (start, end, padding). The loss is -ln p(x_t) of the true token in both cases, so
    they agree at position 1, and their difference is what the true context is worth. Windows or texts are
    spread over the split, whole batches of at most 30,000 tokens together.

    Raises:
        UserError: the model does not predict tokens.
    """
    check_tokens(task, "Free-running")
    chosen, axis = _spread(data.windows), data.windows.axis
    generator = torch.Generator(device_of(model)).manual_seed(SEED)
    losses = {name: LossPerPosition(task.unit) for name in (TEACHER_FORCED, FREE_RUNNING)}
    with evaluating(model):
        for batch in chosen:
            here = batch.to(device_of(model))
            for name, nats in zip(losses, _both(model, here, data.unread, generator), strict=True):
                losses[name].update(_scored(nats, here))
    records: list[Record] = []
    sentences: list[str] = []
    for name, metric in losses.items():
        curves = metric.curves(data.name, axis=axis, prefix=name)
        records += curves
        sentences.append(position_sentence(name.replace("_", "-", 1).rstrip("_").capitalize(), curves))
    return Diagnosis(records, sentences)


def free_running_nats(
    model: SequenceModel, batch: Batch, unread: frozenset[int], generator: torch.Generator
) -> Float[Tensor, "B T"]:
    """-ln p of each true token after what the model has drawn itself; see `diagnose`.

    Args:
        model: a causal model in evaluation mode.
        batch: true inputs, of which the first step is read, and targets.
        unread: tokens that are never drawn.
        generator: source of the draws, one for each sequence and step, padding included.
    """
    state = model.start(len(batch), batch.source)
    tokens, steps = batch.inputs.tokens[:, 0], list[Tensor]()
    never = torch.tensor(sorted(unread), dtype=torch.long, device=tokens.device)
    for targets in batch.target_values.unbind(1):
        logits, state = model.step(tokens, state)
        steps.append(functional.cross_entropy(logits.double(), targets, reduction="none"))
        drawn = logits.double().index_fill(1, never, -math.inf).softmax(dim=1)
        tokens = torch.multinomial(drawn, 1, generator=generator).squeeze(1)
    return torch.stack(steps, dim=1)


def _both(
    model: SequenceModel, batch: Batch, unread: frozenset[int], generator: torch.Generator
) -> Iterator[Float[Tensor, "B T"]]:
    """Teacher-forced and free-running nats; those at padding mean nothing."""
    logits, _ = model(batch)
    yield functional.cross_entropy(logits.double().transpose(1, 2), batch.target_values, reduction="none")
    yield free_running_nats(model, batch, unread, generator)


def _scored(nats: Float[Tensor, "B T"], batch: Batch) -> Scored:
    mask = batch.target_mask
    rows, positions = mask.nonzero(as_tuple=True)
    found = nats[mask]
    return Scored(
        found, found.unsqueeze(1)[:, :0], batch.target_values[mask], positions, batch.inputs.lengths[rows]
    )


def _spread(batches: Batches) -> Batches:
    """Batches at equal distances, of about `MOST_TOKENS` together."""
    tokens = sum(int(batch.inputs.lengths.sum()) for batch in batches)
    stride = max(1, math.ceil(tokens / MOST_TOKENS))
    return SelectedBatches(batches, range(stride // 2 if stride <= len(batches) else 0, len(batches), stride))
