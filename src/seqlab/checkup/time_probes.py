"""Probes of causal models: outputs depend on no later step, and the state contains all earlier ones."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from seqlab.checkup.changes import others, with_inputs
from seqlab.checkup.comparison import OutputDifference, compare, outputs_mask, verdict
from seqlab.checkup.finding import Finding, NotApplicableError
from seqlab.checkup.subject import Subject
from seqlab.checkup.submodules import first_difference
from seqlab.data.batch import Batch, unlabelled
from seqlab.data.sequences import Padded
from seqlab.models.model import State
from seqlab.schema.errors import UserError

LONG = 80
"""Steps of the long example, in which leaks between windows or chunks of up to 64 steps show."""


def no_look_ahead(subject: Subject) -> Finding:
    """y_s does not change with x_t, for every s < t, nor with the number of steps."""
    if not subject.traits.causal:
        raise NotApplicableError(
            "outputs may depend on all steps (task language-model, or roles: causal=True)"
        )
    differences = _look_ahead(subject, subject.batch, every=True)
    if not subject.traits.fixed_length and not subject.large and subject.batch.inputs.steps < LONG:
        try:
            long = subject.draw(5, 2, LONG)
            differences += _look_ahead(subject, long, every=False)
        except UserError:
            pass  # it has a limit of length
    return verdict(
        "Later steps change no earlier output",
        differences,
        subject.tolerance,
        cause="a causal mask that is missing or off by one; a bidirectional layer; a centred convolution; "
        "normalisation or pooling over time",
        fix="mask = torch.ones(T, T, dtype=torch.bool).triu(1)  # True where attention must not look",
    )


def whole_equals_steps(subject: Subject) -> Finding:
    """f(x, s0) = [f(x_:m, s0), f(x_m:, s_m)], with s_m the state after m steps, and so step by step."""
    traits = subject.traits
    if not traits.has_state or not traits.causal or (traits.source and not _model_with_state(subject)):
        raise NotApplicableError("it has no outputs for each step with a state that can be given back")
    batch = subject.batch
    whole = subject.outputs(batch)
    steps = _step_by_step(subject, batch, subject.start(len(batch), batch))
    differences = [compare("Reading step by step", whole, steps, batch.inputs.mask)]
    lengths = batch.inputs.lengths
    longest = int(lengths.max())
    middle = longest // 2
    # In reverse order, so that a state whose rows cannot be selected gives wrong outputs.
    rows = (lengths > middle).nonzero().squeeze(1).flip(0)
    state = _state_at(subject, batch, middle).select(rows)
    rest = Padded(batch.inputs.tokens[rows, middle:longest], lengths[rows] - middle)
    expected = whole[rows, middle:longest]
    at_once = subject.outputs(unlabelled(rest), state)
    from_middle = _step_by_step(subject, unlabelled(rest), state)
    differences += [
        compare(f"Continuing from the state after {middle} steps", expected, at_once, rest.mask),
        compare(f"Continuing step by step after {middle} steps", expected, from_middle, rest.mask),
    ]
    return verdict(
        "A whole sequence gives the same outputs as step by step",
        differences,
        subject.tolerance,
        cause="the state is ignored, returned before its update, or not the last one; positions restart",
        fix="outputs, state = self.rnn(x, state)  # pass the state in, return the new one",
    )


def _look_ahead(subject: Subject, batch: Batch, *, every: bool) -> list[OutputDifference]:
    whole, T = subject.outputs(batch), batch.inputs.steps
    mask = outputs_mask(whole, batch)
    changed = others(batch, subject.traits)
    cuts = subject.sample(1, T) if every else [8, 16, 32, 64, T - 1]
    differences = []
    for cut in cuts:
        tokens = torch.cat([batch.inputs.tokens[:, :cut], changed[:, cut:]], dim=1)
        other = with_inputs(batch, tokens)
        found = subject.outputs(other)

        def where(other: Batch = other, cut: int = cut) -> str:
            return first_difference(subject, batch, other, steps=cut)

        what = f"Changing all steps from {cut} on"
        differences.append(compare(what, whole[:, :cut], found[:, :cut], mask[:, :cut], where=where))
    if not subject.traits.fixed_length and not subject.traits.source:
        differences += _without_the_rest(subject, batch, whole, cuts[len(cuts) // 2 :][:1])
    return differences


def _without_the_rest(
    subject: Subject, batch: Batch, whole: Tensor, cuts: list[int]
) -> list[OutputDifference]:
    differences = []
    for cut in cuts:
        short = batch.truncate(cut)
        try:
            found = subject.outputs(short)
        except UserError:
            continue  # reported by `any_size`
        what, mask = f"Leaving out all steps from {cut} on", batch.inputs.mask[:, :cut]
        if found.shape[1] < cut or _missing(subject):
            found, mask = found[:, : cut - 1], mask[:, : cut - 1]
        differences.append(compare(what, whole[:, : found.shape[1]], found, mask))
    return differences


def _missing(subject: Subject) -> bool:
    guessed = getattr(subject, "guessed", None)
    return guessed is not None and guessed.call.missing > 0


def _model_with_state(subject: Subject) -> bool:
    return getattr(subject, "guessed", None) is None


def _step_by_step(subject: Subject, batch: Batch, state: State | None) -> Tensor:
    outputs = []
    for step in range(batch.inputs.steps):
        tokens = batch.inputs.tokens[:, step : step + 1]
        one = Padded(tokens, torch.ones(len(tokens), dtype=torch.int64))
        source = batch.source if state is None else None
        found, state = _read(subject, replace(unlabelled(one), source=source), state)
        outputs.append(found[:, -1])
    return torch.stack(outputs, dim=1)


@torch.no_grad()
def _read(subject: Subject, batch: Batch, state: State | None) -> tuple[Tensor, State | None]:
    return subject.read(batch, state)


def _state_at(subject: Subject, batch: Batch, step: int) -> State:
    """The state after the first steps of each sequence, or after its end if that comes first."""
    _, state = _read(subject, batch.truncate(step), None)
    assert state is not None, "the subject has a state"
    return state
