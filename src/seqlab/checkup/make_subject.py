"""Making any module the subject of a checkup: how it is called, and what it is."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

from torch import nn

from seqlab.checkup.layout_guess import find_state, guess_layout, is_of_fixed_length
from seqlab.checkup.module_subject import ModuleSubject, drawn
from seqlab.checkup.subject import LossFunction, TaskName, Traits
from seqlab.checkup.user_batch import UserBatch, user_batch
from seqlab.models.check_roles import CheckRoles
from seqlab.models.module_guess import Guess, code_of
from seqlab.models.module_sizes import sequence_layers
from seqlab.schema.own_code import OwnCode


def module_subject(
    module: nn.Module,
    batch: Any,
    task: TaskName | None,
    roles: CheckRoles,
    loss: LossFunction | None,
    *,
    label: str | None = None,
) -> ModuleSubject:
    """Find out how a module is called, and make it the subject of a checkup.

    Args:
        module: not changed.
        batch: an example of the user's; None: random ones.
        task: what it predicts; None: by its outputs.
        roles: what cannot be guessed.
        loss: the user's own, of outputs and targets.
        label: for messages; None: the name of its class.

    Raises:
        OwnCodeError: it cannot be called.
    """
    code = code_of(module)
    given = user_batch(module, batch, roles)
    with code.errors("it was copied, to be checked"):
        copied = copy.deepcopy(module).cpu().eval()
    guessed, layout = guess_layout(code, copied, given, roles)
    if roles.padding is None and (pad := _padding_of(given, guessed)) is not None:
        guessed = replace(guessed, padding=pad)
    if given.left:
        guessed = replace(guessed, call=replace(guessed.call, left=True))
    call, example = guessed.call, given.as_batch(guessed.padding)
    if example is not None and example.source is None and guessed.form.source is not None:
        example = None
    kind = task or _task(guessed, given)
    causal = roles.causal if roles.causal is not None else kind in ("language-model", "translate")
    takes = call.roles.lengths or call.roles.mask or call.roles.source_lengths or call.roles.source_mask
    known = "token" if guessed.padding is not None else "unknown"
    traits = Traits(
        task=kind,
        per_step=call.per_token,
        causal=causal and call.per_token,
        tokens=guessed.form.tokens,
        vocabulary=guessed.form.size,
        outputs=call.outputs,
        padding="lengths" if takes else known,
        pad=guessed.padding,
        source=guessed.form.source is not None,
        fixed_length=is_of_fixed_length(copied, guessed),
        layers=sequence_layers(module),
    )
    form = find_state(copied, guessed)
    traits = replace(traits, has_state=form is not None and call.roles.state is not None)
    own = drawn(guessed, kind, 1, guessed.rows, guessed.steps)
    if task == "language-model" and example is not None and "targets" not in given.tensors:
        example = None
    subject = ModuleSubject(
        label or type(module).__name__,
        module,
        own,
        traits,
        given=example if "targets" in given.tensors else None,
        loss_function=loss,
        notes=_notes(code, guessed, traits, layout),
        guessed=guessed,
        form=form,
    )
    wanted = given.tensors.get("targets")
    several = wanted is not None and wanted.is_floating_point() and wanted.shape[-1] == call.outputs > 1
    subject.several = several and kind == "classify"
    subject.range = _range(subject)
    subject.labels = call.roles.labels
    return subject


def _padding_of(given: UserBatch, guessed: Guess) -> int | None:
    """The token with which the user's example is padded, where its lengths show one."""
    if not guessed.form.tokens:
        return None
    batch = given.as_batch(None)
    if batch is None or bool(batch.inputs.mask.all()):
        return None
    filled = batch.inputs.tokens[~batch.inputs.mask].unique()
    real = batch.inputs.tokens[batch.inputs.mask]
    return int(filled[0]) if len(filled) == 1 and not bool((real == filled[0]).any()) else None


def _task(guessed: Guess, given: UserBatch) -> TaskName:
    call, form = guessed.call, guessed.form
    targets = given.tensors.get("targets")
    if form.source is not None:
        return "translate"
    if targets is not None and targets.is_floating_point():
        return "classify" if bool(((targets == 0) | (targets == 1)).all()) else "regress"
    if call.per_token and form.tokens and call.outputs == form.size:
        return "language-model"
    return "regress" if not form.tokens and call.outputs == 1 and targets is None else "classify"


def _range(subject: ModuleSubject) -> str:
    """Whether outputs are logits, probabilities, or logarithms of probabilities."""
    try:
        outputs = subject.prepared().outputs(subject.batch)
    except Exception:
        return "logits"
    if not bool(outputs.isfinite().all()):
        return "logits"
    if subject.traits.outputs == 1 or subject.several:
        inside = bool((outputs >= 0).all()) and bool((outputs <= 1).all()) and outputs.numel() > 1
        return "probabilities" if inside and bool((outputs > 0).all()) else "logits"
    if bool((outputs >= 0).all()) and bool(((outputs.sum(-1) - 1).abs() < 1e-4).all()):
        return "probabilities"
    return "log-probabilities" if bool((outputs.logsumexp(-1).abs() < 1e-4).all()) else "logits"


def _notes(code: OwnCode, guessed: Guess, traits: Traits, why: str) -> tuple[str, ...]:
    call, form = guessed.call, guessed.form
    axes = "(batch, time)" if call.batch_first else "(time, batch)"
    what = f"ids of {form.size} tokens" if form.tokens else f"{form.size or 'no'} features"
    roles = call.roles
    others = {
        "lengths": roles.lengths,
        f"a mask that is true at {'padding' if roles.marks_padding else 'tokens'}": roles.mask,
        "the state": roles.state,
        "the source": roles.source,
        "the source's lengths": roles.source_lengths,
        "the source's mask": roles.source_mask,
    }
    further = "".join(f", {name!r} as {role}" for role, name in others.items() if name is not None)
    outputs = f"{call.outputs} outputs for each {'step' if call.per_token else 'sequence'}"
    pad = "" if guessed.padding is None else f" Padding is token {guessed.padding}."
    return (
        f"{code.name} is called with {what} {axes} as {roles.tokens!r}{further} ({why}), and gives "
        f"{outputs}; "
        f"its task is taken to be {traits.task}.{pad}",
    )
