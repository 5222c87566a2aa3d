"""Probes of what one row must not notice: the other rows, and its padding."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from seqlab.checkup.finding import Finding, compare, counting, logits_of, perturbed, probe, verdict
from seqlab.data.batch import Batch
from seqlab.data.sequences import Padded
from seqlab.models.model import SequenceModel
from seqlab.tasks.task import Task

ROWS = 8
"""Rows, spread over the batch, that are read alone."""
MORE = 3
"""Columns of padding that are added."""


@probe
def batch_independence(model: SequenceModel, batch: Batch, task: Task) -> Finding:
    """Compare the logits of each row in its batch with those of the row alone.

    Catches a recurrent layer without `batch_first`, statistics over the batch in evaluation, `view`
    where a transpose was meant, code that works for one batch size only.
    """
    model = perturbed(model)
    whole = logits_of(model, batch)
    differences = []
    for row in _spread(len(batch)):
        alone = batch.select(torch.tensor([row]))
        expected = logits_of(model, alone)
        found = _cut(whole[row : row + 1], alone.inputs.steps)
        mask = counting(expected, alone)
        differences.append(compare("Reading a row together with the others", expected, found, mask, row))
    return verdict(
        "batch_independence",
        "A batch equals its rows one by one",
        differences,
        "batch_first is missing; view where a transpose was meant; statistics over the batch",
    )


@probe
def padding_changes_nothing(model: SequenceModel, batch: Batch, task: Task) -> Finding:
    """Compare logits, and what a causal model says next, under other and under more padding.

    Catches pooling over padding, a state taken behind the padding, a mean over the padded length.
    """
    model = perturbed(model)
    known = batch.inputs.tokens[batch.inputs.mask].unique()
    one, other = int(known[0]), int(known[-1])
    plain = _padded(batch, one, 0)
    expected = _outputs(model, plain, next_token=other)
    changes = {
        "Other content of the padding": _padded(batch, other, 0),
        f"Padding with {MORE} more columns": _padded(batch, one, MORE),
        f"Padding with {MORE} more columns of other content": _padded(batch, other, MORE),
    }
    differences = [
        compare(what + where, before, _cut(after, plain.inputs.steps), counting(before, plain))
        for what, changed in changes.items()
        for where, before, after in zip(
            ("", ", one token behind it,"), expected, _outputs(model, changed, next_token=other), strict=False
        )
    ]
    return verdict(
        "padding_changes_nothing",
        "Padding changes no output and no state",
        differences,
        "a maximum or mean over time that includes padding; a state taken behind the padding",
    )


def _spread(rows: int) -> list[int]:
    return torch.linspace(0, rows - 1, min(ROWS, rows)).long().tolist()


def _padded(batch: Batch, token: int, more: int) -> Batch:
    inputs = batch.inputs
    tokens = functional.pad(inputs.tokens.masked_fill(~inputs.mask, token), (0, more), value=token)
    return replace(batch, inputs=Padded(tokens, inputs.lengths))


@torch.no_grad()
def _outputs(model: SequenceModel, batch: Batch, next_token: int) -> list[Tensor]:
    """The logits of a batch and, of a causal model, those one token later."""
    logits, state = model(batch)
    if not model.capabilities.causal:
        return [logits]
    return [logits, model.step(torch.full_like(batch.inputs.lengths, next_token), state)[0]]


def _cut(logits: Tensor, steps: int) -> Tensor:
    return logits[:, :steps] if logits.dim() == 3 else logits
