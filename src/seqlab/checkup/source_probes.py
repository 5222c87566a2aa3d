"""Probes of what an encoder or an earlier call hands over: the source and the initial state must act."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from seqlab.checkup.changes import other_inputs
from seqlab.checkup.finding import Finding, NotApplicableError, broken, sound
from seqlab.checkup.input_probes import full_batch, relative_change
from seqlab.checkup.subject import Subject
from seqlab.data.batch import Batch
from seqlab.data.sequences import Padded
from seqlab.models.model import State


def source_used(subject: Subject) -> Finding:
    """y_t changes with the source z, for every t from the first one, and with every step of z."""
    batch = subject.batch
    if batch.source is None:
        raise NotApplicableError("it reads no source")
    whole = subject.outputs(batch)
    changed = other_inputs(batch.source, subject.traits)
    found = subject.outputs(replace(batch, source=Padded(changed, batch.source.lengths)))
    change = relative_change(whole, found)
    if change <= subject.tolerance:
        return _ignored(
            "the source", "the decoder does not get the encoder's state or outputs", change, subject
        )
    unused = [
        step
        for step in subject.sample(0, batch.source.steps)
        if not _source_step_acts(subject, batch, whole, step, changed)
    ]
    if unused:
        return _ignored(
            f"step {unused[0]} of the source",
            "the state is that of a fixed step, or a slice cuts the source",
            0,
            subject,
        )
    return sound(
        f"The source changes outputs by {change:.1e} of the largest, at each of its steps.", change, 0
    )


def initial_state_used(subject: Subject) -> Finding:
    """f(x, s) ≠ f(x, s') for two states s ≠ s', and f(x, s) takes its rows from the rows of s."""
    traits, batch = subject.traits, full_batch(subject)
    if not traits.has_state:
        raise NotApplicableError("it takes no state")
    with torch.no_grad():
        _, state = subject.read(batch)
    assert state is not None, "the subject has a state"
    if not any(tensor.is_floating_point() for tensor in state.tensors.values()):
        raise NotApplicableError("its state holds the tokens that were read")
    begun = subject.outputs(replace(batch, source=None) if not hasattr(subject, "guessed") else batch, state)
    random = torch.Generator().manual_seed(3)
    tensors = {
        name: tensor + torch.randn(tensor.shape, generator=random).to(tensor)
        if tensor.is_floating_point()
        else tensor
        for name, tensor in state.tensors.items()
    }
    other = subject.outputs(
        replace(batch, source=None) if not hasattr(subject, "guessed") else batch, State(tensors)
    )
    change = relative_change(begun, other)
    if change > subject.tolerance:
        return sound(
            f"Another initial state changes outputs by {change:.1e} of the largest.",
            change,
            subject.tolerance,
        )
    return _ignored(
        "the initial state",
        "the state is an argument that is not passed to the recurrent layer",
        change,
        subject,
    )


def _ignored(what: str, cause: str, change: float, subject: Subject) -> Finding:
    return broken(
        f"Another content of {what} gives the same outputs.",
        cause=cause,
        fix="outputs, state = self.rnn(x, state)  # state of the encoder, or the one that is given",
        deviation=change,
        tolerance=subject.tolerance,
        counter_example=what,
        submodule="forward",
    )


def _source_step_acts(subject: Subject, batch: Batch, whole: Tensor, step: int, changed: Tensor) -> bool:
    assert batch.source is not None, "there is a source"
    tokens = batch.source.tokens.clone()
    tokens[:, step] = changed[:, step]
    found = subject.outputs(replace(batch, source=Padded(tokens, batch.source.lengths)))
    return relative_change(whole, found) > 1e-14
