"""The order of axes that a module reads, its state, and whether it is built for one length.

Legend: B sequences, T steps.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from seqlab.checkup.module_subject import drawn
from seqlab.checkup.user_batch import UserBatch
from seqlab.data.batch import Batch
from seqlab.data.sequences import Padded
from seqlab.models.check_roles import CheckRoles
from seqlab.models.module_guess import Guess, guess
from seqlab.models.module_start import intended_layout
from seqlab.models.module_state import StateForm, finders, form_of
from seqlab.schema.own_code import OwnCode, OwnCodeError


def guess_layout(code: OwnCode, module: nn.Module, given: UserBatch, roles: CheckRoles) -> tuple[Guess, str]:
    """How the module is called, and why its axes are taken to be in that order."""
    named = {
        "code": code,
        "given": given.tensors,
        "constants": given.constants,
        "state": given.state,
    }
    if roles.axes != "auto":
        return guess(module, roles, **named), "as you said"
    order = intended_layout(module) if given.batch_first is None else None
    if given.batch_first is not None:
        order = "batch-first" if given.batch_first else "time-first"
    if order is not None:
        why = "as your example is" if given.batch_first is not None else "as its source names them"
        try:
            return guess(module, roles.model_copy(update={"axes": order}), **named), why
        except OwnCodeError:
            if given.batch_first is not None:
                raise
    first = guess(module, roles, **named)
    if first.call.batch_first and not _independent(module, first):
        try:
            other = guess(module, roles.model_copy(update={"axes": "time-first"}), **named)
        except OwnCodeError:
            return first, "the order that its outputs fit"
        if _independent(module, other) and (other.call.outputs == first.call.outputs):
            return other, "the order in which sequences do not mix; roles: axes=batch-first says otherwise"
    return first, "the order that its outputs fit"


def _independent(module: nn.Module, guessed: Guess) -> bool:
    """Whether sequences influence each other; False as well where one alone cannot be read."""
    batch = drawn(guessed, "classify", 2, guessed.rows, guessed.steps)
    other = drawn(guessed, "classify", 3, guessed.rows, guessed.steps)

    def read(some: Batch) -> Tensor:
        tokens = some.inputs.tokens
        tokens = tokens.float() if tokens.is_floating_point() else tokens
        with torch.no_grad():
            return guessed.call(module, tokens, some.inputs.lengths, None, some.source)[0]

    mixed = torch.cat([other.inputs.tokens[:1], batch.inputs.tokens[1:]])
    changed = replace(batch, inputs=Padded(mixed, batch.inputs.lengths))
    try:
        whole, found = read(batch), read(changed)
        alone = read(batch.select(torch.tensor([1])))
    except OwnCodeError:
        return False
    near = 1e-4 * max(1e-6, whole.abs().max().item())
    pairs = ((whole[1:], found[1:]), (whole[1:2], alone))
    return all(torch.allclose(one, two, rtol=1e-3, atol=near) for one, two in pairs)


def is_of_fixed_length(module: nn.Module, guessed: Guess) -> bool:
    """Whether a layer is built for one number of steps: a shorter sequence does not fit a linear layer."""
    linear: list[nn.Module] = []

    def entered(layer: nn.Module, arguments: Any) -> None:
        linear.append(layer)

    hooks = [each.register_forward_pre_hook(entered) for each in module.modules() if _is_dense(each)]
    done = [
        each.register_forward_hook(lambda *_: linear.clear()) for each in module.modules() if _is_dense(each)
    ]
    try:
        batch = drawn(guessed, "classify", 2, guessed.rows, max(1, guessed.steps - 1))
        tokens = batch.inputs.tokens
        tokens = tokens.float() if tokens.is_floating_point() else tokens
        with torch.no_grad():
            guessed.call(module, tokens, batch.inputs.lengths, None, batch.source)
    except OwnCodeError:
        return bool(linear)
    finally:
        for hook in (*hooks, *done):
            hook.remove()
    return False


def _is_dense(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Linear | nn.Bilinear | nn.LayerNorm | nn.BatchNorm1d)


def find_state(module: nn.Module, guessed: Guess) -> StateForm | None:
    """How the state is found: the one that continues a sequence, else any that can be given back."""
    call, name = guessed.call, guessed.call.roles.state
    if guessed.steps < 2 or guessed.rows < 2 or (name is None and call.roles.source is not None):
        return None
    batch = drawn(guessed, "classify", 2, guessed.rows, guessed.steps)
    middle, rows = guessed.steps // 2, guessed.rows
    tokens = batch.inputs.tokens
    tokens = tokens.float() if tokens.is_floating_point() else tokens
    any_form: StateForm | None = None

    def read(some: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        source = None if batch.source is None else batch.source.select(torch.arange(len(some)))
        return call(module, some, torch.full((len(some),), some.shape[1]), state, source)

    with torch.no_grad():
        try:
            whole, (_, output), (_, smaller) = (
                read(tokens)[0],
                read(tokens[:, :middle]),
                read(tokens[1:, :middle]),
            )
        except OwnCodeError:
            return None
        for find in finders(output, name or "state"):
            form = form_of(find, output, smaller, rows)
            if form is None:
                continue
            if name is None:
                return form
            try:
                found, _ = read(tokens[:, middle:], form.nested(form.flat(find(output))))
            except OwnCodeError:
                continue
            expected = whole[:, middle:] if call.per_token else whole
            if torch.allclose(expected, found, rtol=1e-3, atol=1e-5):
                return form
            any_form = any_form or form
    return any_form
