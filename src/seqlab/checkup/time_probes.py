"""Probes of causal models: outputs depend on no later token, and the state contains all earlier ones."""

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
"""The largest number of steps, evenly spaced over time, after which the tokens are changed."""


@probe
def no_look_ahead(model: SequenceModel, batch: Batch, task: Task) -> Finding:
    """Change all tokens from a step on, and compare the logits before it.

    Detects attention without a mask, a bidirectional layer, a convolution that is centred on its token,
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
        what = f"Changing all tokens from step {cut} on"
        differences.append(compare(what, whole[:, :cut], found[:, :cut], batch.inputs.mask[:, :cut]))
    return verdict(
        "no_look_ahead",
        "Later tokens change no earlier output",
        differences,
        "an attention mask that is missing or off by one; a bidirectional layer; a centred convolution; "
        "normalisation over time",
    )


@probe
def whole_equals_steps(model: SequenceModel, batch: Batch, task: Task) -> Finding:
    """Compare a whole sequence with the same sequence read in parts, using `start`, `step` and the state.

    The parts are single steps from the start; and the first half, from whose state the second half is read
    both step by step and at once, with the rows in another order. Detects a step that ignores its state, a
    state other than the last one, positions that restart at 0, a state whose rows cannot be selected.
    """
    model = perturbed(model)
    whole = logits_of(model, batch)
    steps = _step_by_step(model, batch.inputs.tokens, model.start(len(batch), batch.source))
    differences = [compare("Reading step by step", whole, steps, batch.inputs.mask)]

    lengths = batch.inputs.lengths
    longest = int(lengths.max())
    middle = longest // 2
    # In reverse order, so that a state whose `select` is wrong gives wrong logits.
    rows = (lengths > middle).nonzero().squeeze(1).flip(0)
    state = _state_at(model, batch, middle).select(rows)
    rest = Padded(batch.inputs.tokens[rows, middle:longest], lengths[rows] - middle)
    expected = whole[rows, middle:longest]
    with torch.no_grad():
        at_once = model(unlabelled(rest), state)[0]
    from_middle = _step_by_step(model, rest.tokens, state)
    differences += [
        compare(f"Continuing from the state after {middle} steps", expected, at_once, rest.mask),
        compare(f"Continuing step by step after {middle} steps", expected, from_middle, rest.mask),
    ]
    return verdict(
        "whole_equals_steps",
        "A whole sequence gives the same logits as step by step",
        differences,
        "step ignores its state, or returns one other than the last; start is not the state that a whole "
        "sequence begins with; positions restart at 0",
    )


@torch.no_grad()
def _step_by_step(model: SequenceModel, tokens: Int[Tensor, "B T"], state: State) -> Float[Tensor, "B T V"]:
    logits = []
    for column in tokens.unbind(dim=1):
        step_logits, state = model.step(column, state)
        logits.append(step_logits)
    return torch.stack(logits, dim=1)


@torch.no_grad()
def _state_at(model: SequenceModel, batch: Batch, step: int) -> State:
    """The state after the first `step` tokens of each sequence, or after its end if that comes first."""
    _, state = model.features(batch.truncate(step), None)
    assert state is not None, "a causal model must return its state"
    return state
