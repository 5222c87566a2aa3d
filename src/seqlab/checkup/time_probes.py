"""Probes of a causal model's time: nothing from the future, everything from the past."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqlab.checkup.finding import Finding, compare, logits_of, other_tokens, perturbed, probe, verdict
from seqlab.data.batch import Batch, unlabelled
from seqlab.data.sequences import Padded
from seqlab.models.model import SequenceModel, State
from seqlab.tasks.task import Task

CUTS = 8
"""Places, spread over the batch, behind which the tokens are changed."""


@probe
def no_look_ahead(model: SequenceModel, batch: Batch, task: Task) -> Finding:
    """Change all tokens behind some place and compare the logits up to it.

    Catches attention without its mask, a bidirectional layer, a convolution that is centred, a
    normalisation over time.
    """
    model = perturbed(model)
    whole = logits_of(model, batch)
    changed = other_tokens(batch.inputs.tokens, batch.inputs.mask)
    T = batch.inputs.steps
    differences = []
    for cut in torch.linspace(1, T - 1, min(CUTS, T - 1)).long().tolist():
        tokens = torch.cat([batch.inputs.tokens[:, :cut], changed[:, cut:]], dim=1)
        found = logits_of(model, replace(batch, inputs=Padded(tokens, batch.inputs.lengths)))
        what = f"Other tokens from step {cut} on"
        differences.append(compare(what, whole[:, :cut], found[:, :cut], batch.inputs.mask[:, :cut]))
    return verdict(
        "no_look_ahead",
        "Later tokens never change earlier outputs",
        differences,
        "the attention mask is missing or off by one; a bidirectional layer; a normalisation over time",
    )


@probe
def whole_equals_steps(model: SequenceModel, batch: Batch, task: Task) -> Finding:
    """Compare a whole sequence with the same one read in pieces through `start`, `step` and the state.

    Read step by step from the start; read to the middle and on from there, step by step and whole,
    with the rows in another order. Catches a step that forgets its state, a state that is not the
    last one, positions that begin again, a state whose rows cannot be selected.
    """
    model = perturbed(model)
    whole = logits_of(model, batch)
    steps = _step_by_step(model, batch.inputs.tokens, model.start(len(batch), batch.source))
    differences = [compare("Reading step by step", whole, steps, batch.inputs.mask)]

    lengths = batch.inputs.lengths
    longest = int(lengths.max())
    middle = longest // 2
    rows = (lengths > middle).nonzero().squeeze(1).flip(0)
    state = _state_at(model, batch, middle).select(rows)
    rest = Padded(batch.inputs.tokens[rows, middle:longest], lengths[rows] - middle)
    expected = whole[rows, middle:longest]
    with torch.no_grad():
        at_once = model(unlabelled(rest), state)[0]
    from_middle = _step_by_step(model, rest.tokens, state)
    differences += [
        compare(f"Going on from the state of step {middle}", expected, at_once, rest.mask),
        compare(f"Going on step by step from step {middle}", expected, from_middle, rest.mask),
    ]
    return verdict(
        "whole_equals_steps",
        "A whole sequence equals it in pieces",
        differences,
        "step forgets the state or returns another than the last; positions begin again at 0",
    )


@torch.no_grad()
def _step_by_step(model: SequenceModel, tokens: Int[Tensor, "B T"], state: State) -> Float[Tensor, "B T V"]:
    logits = []
    for column in tokens.unbind(dim=1):
        one, state = model.step(column, state)
        logits.append(one)
    return torch.stack(logits, dim=1)


@torch.no_grad()
def _state_at(model: SequenceModel, batch: Batch, step: int) -> State:
    """The state behind the first `step` tokens of each row, or behind its end if that comes first."""
    _, state = model.features(batch.truncate(step), None)
    assert state is not None, "a causal model must return its state"
    return state
