"""Probes of what must not affect a sequence: the other sequences of its batch, and its padding."""

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
"""The largest number of rows, evenly spaced over the batch, that are read alone."""
MORE = 3
"""Columns of padding that are appended."""


@probe
def batch_independence(model: SequenceModel, batch: Batch, task: Task) -> Finding:
    """Compare the logits of a sequence in its batch with those of the sequence alone.

    Detects a recurrent layer without `batch_first`, statistics over the batch in evaluation, `view` in place
    of a transpose, code that works for one batch size only.
    """
    model = perturbed(model)
    whole = logits_of(model, batch)
    differences = []
    for row in _spread(len(batch)):
        alone = batch.select(torch.tensor([row]))
        expected = logits_of(model, alone)
        found = _cut(whole[row : row + 1], alone.inputs.steps)
        mask = counting(expected, alone)
        differences.append(compare("Reading a sequence in a batch", expected, found, mask, row))
    return verdict(
        "batch_independence",
        "A batch gives the same logits as its sequences one by one",
        differences,
        "batch_first=True is missing; view or reshape in place of a transpose; statistics over the batch",
    )


@probe
def padding_changes_nothing(model: SequenceModel, batch: Batch, task: Task) -> Finding:
    """Compare logits, and those of a causal model's next step, for other content and more of padding.

    Detects pooling over padding, a mean over the padded length, a state after the padding instead of that
    after the last token.
    """
    model = perturbed(model)
    # Ids that occur in the batch: an embedding may not accept any others.
    known = batch.inputs.tokens[batch.inputs.mask].unique()
    one, other = int(known[0]), int(known[-1])
    plain = _padded(batch, one, 0)
    expected = _outputs(model, plain, next_token=other)
    changes = {
        "Other content of padding": _padded(batch, other, 0),
        f"Appending {MORE} columns of padding": _padded(batch, one, MORE),
        f"Appending {MORE} columns of padding with other content": _padded(batch, other, MORE),
    }
    differences = [
        compare(what + where, before, _cut(after, plain.inputs.steps), counting(before, plain))
        for what, changed in changes.items()
        for where, before, after in zip(
            ("", ", with one more token after it,"),
            expected,
            _outputs(model, changed, next_token=other),
            strict=False,  # only a causal model has logits of a next token
        )
    ]
    return verdict(
        "padding_changes_nothing",
        "Padding changes no output and no state",
        differences,
        "max or mean pooling that includes padding; the state after the padding, not after the last token",
    )


def _spread(rows: int) -> list[int]:
    return torch.linspace(0, rows - 1, min(ROWS, rows)).long().tolist()


def _padded(batch: Batch, token: int, more: int) -> Batch:
    inputs = batch.inputs
    tokens = functional.pad(inputs.tokens.masked_fill(~inputs.mask, token), (0, more), value=token)
    return replace(batch, inputs=Padded(tokens, inputs.lengths))


@torch.no_grad()
def _outputs(model: SequenceModel, batch: Batch, next_token: int) -> list[Tensor]:
    """The logits of a batch and, for a causal model, those after one more token."""
    logits, state = model(batch)
    if not model.capabilities.causal:
        return [logits]
    return [logits, model.step(torch.full_like(batch.inputs.lengths, next_token), state)[0]]


def _cut(logits: Tensor, steps: int) -> Tensor:
    return logits[:, :steps] if logits.dim() == 3 else logits
