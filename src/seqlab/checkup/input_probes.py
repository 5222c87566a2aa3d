"""Probes of what must act on outputs: every step, their order, the source, the state."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from typing_extensions import override

from seqlab.checkup.changes import others, with_inputs
from seqlab.checkup.finding import Finding, NotApplicableError, NotExaminedError, broken, sound
from seqlab.checkup.subject import Subject
from seqlab.data.batch import Batch
from seqlab.schema.errors import UserError

TRIES = 6
"""Other contents of a position that are tried before it counts as unused."""


def every_input_used(subject: Subject) -> Finding:
    """For every step t there is an x'_t with f(..., x'_t, ...) ≠ f(..., x_t, ...); so for every feature."""
    batch = full_batch(subject)
    whole, last = subject.outputs(batch), batch.inputs.steps
    first = 0 if subject.traits.window is None else max(0, last - subject.traits.window)
    unused = [step for step in subject.sample(first, last) if not _step_acts(subject, batch, whole, step)]
    if subject.traits.per_step and not subject.traits.causal:
        unused = unused if len(unused) > len(subject.sample(first, last)) // 2 else []
    features = _unused_features(subject, batch, whole)
    if argument := _unused_argument(subject, batch, whole):
        return broken(
            f"Whatever the argument {argument!r} is, outputs are the same.",
            cause="another tensor is read in its place",
            fix=f"self.segments({argument})",
            counter_example=argument,
            submodule="forward",
        )
    if not unused and not features:
        return sound(f"Each of {last} steps acts on an output.")
    if subject.traits.per_step and unused and missing_steps(subject) and unused == [last - 1]:
        return sound(f"Each of {last - 1} steps acts on an output; the last has none.")
    if unused and subject.traits.causal and unused == [last - 1] and subject.traits.source:
        return sound(f"Each of {last - 1} steps acts on an output; nothing is predicted from the last one.")
    what = f"step {unused[0]} of {last}" if unused else f"feature {features[0]}"
    some = unused or features
    everything = len(unused) == len(subject.sample(first, last))
    evidence = (
        "No step acts on any output." if everything else f"Whatever is at {what}, outputs are the same."
    )
    return broken(
        evidence,
        cause="the input is overwritten or detached, cut short by one, or only part of the states is read",
        fix="h = outputs[torch.arange(B), lengths - 1]  # a state that depends on all steps",
        deviation=len(some),
        counter_example=f"{'steps' if unused else 'features'} {some[:8]}",
        submodule="forward",
    )


def memory_of_earlier_steps(subject: Subject) -> Finding:
    """y_t changes with x_s for some s < t: the hidden state is updated and carried on."""
    traits = subject.traits
    if not traits.per_step:
        raise NotApplicableError("it has no outputs for each step; `every_input_used` covers it")
    batch = full_batch(subject)
    with AttentionSeen(batch.inputs.steps) as attention:
        whole = subject.outputs(batch)
    if not traits.layers and not traits.has_state and not attention.seen:
        raise NotApplicableError("it has no layer that connects steps")
    last = batch.inputs.steps - 1 - missing_steps(subject)
    reach = 0
    for step in reversed(subject.sample(0, last)):
        if changes_output(subject, batch, whole, step, after=last):
            reach = last - step
    if reach:
        return sound(f"Output {last} depends on inputs up to {reach} steps earlier.", reach, 1)
    return broken(
        f"Output {last} depends on no earlier step.",
        cause="the hidden state starts from zero in each step, or its update is not passed on",
        fix="h = self.cell(x[:, t], h)  # the new h is the next step's",
        deviation=0,
        tolerance=1,
        counter_example=f"output {last}, inputs 0 to {last - 1}",
        submodule="forward",
    )


def order_matters(subject: Subject) -> Finding:
    """f(π x) ≠ f(x) for some permutation π of steps, where a layer is there to read their order."""
    traits, batch = subject.traits, full_batch(subject)
    with AttentionSeen(batch.inputs.steps) as attention:
        whole = subject.outputs(batch)
    if not traits.layers and not attention.seen:
        raise NotApplicableError("no layer reads the order of steps: it is a bag of tokens by design")
    steps = batch.inputs.steps
    if steps < 4:
        raise NotApplicableError("the example has fewer than 4 steps")
    if traits.causal:
        # The same earlier tokens in another order; the last ones stay.
        order = torch.tensor([*range(steps - 3, -1, -1), steps - 2, steps - 1])
        at = -1 - missing_steps(subject)
        found = subject.outputs(with_inputs(batch, batch.inputs.tokens[:, order]))
        change = relative_change(whole[:, at], found[:, at])
    else:
        order = torch.arange(steps - 1, -1, -1)
        found = subject.outputs(with_inputs(batch, batch.inputs.tokens[:, order]))
        expected = whole[:, order] if whole.dim() == 3 else whole
        change = relative_change(expected, found)
    if change > subject.tolerance:
        return sound(
            f"Another order of steps changes outputs by {change:.1e} of the largest.",
            change,
            subject.tolerance,
        )
    return broken(
        "Another order of the same steps gives the same outputs.",
        cause="attention without positions, or positions that are added to nothing",
        fix="x = self.embedding(tokens) + self.positions(torch.arange(T))",
        deviation=change,
        tolerance=subject.tolerance,
        counter_example=f"steps in the order {order.tolist()}",
        submodule="forward",
    )


def ids_are_names(subject: Subject) -> Finding:
    """Token ids are looked up, not computed with: an id i + 0.4 is refused or read as i."""
    if not subject.traits.tokens or not hasattr(subject, "guessed"):
        raise NotApplicableError("it does not read token ids")
    batch = subject.batch
    whole = subject.outputs(batch)
    moved = batch.inputs.tokens.to(torch.float64) + 0.4
    try:
        found = subject.outputs(with_inputs(batch, moved))
    except UserError:
        return sound("Ids that are no whole numbers are refused, as by an embedding.")
    change = relative_change(whole, found)
    if change <= subject.tolerance:
        return sound("Ids are read as whole numbers.")
    return broken(
        f"Ids act as quantities: adding 0.4 to each changes outputs by {change:.1e} of the largest.",
        cause="a linear, convolutional or recurrent layer reads raw token ids as numbers",
        fix="x = nn.Embedding(vocabulary, size)(tokens)  # before the first layer",
        deviation=change,
        tolerance=subject.tolerance,
        counter_example="ids + 0.4",
        submodule="forward",
    )


class AttentionSeen(TorchFunctionMode):
    """Notes whether there is attention from steps to steps: a softmax of a matrix (T, T)."""

    def __init__(self, steps: int):
        super().__init__()
        self._steps, self.seen = steps, False

    @override
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        if name == "scaled_dot_product_attention":
            self.seen = True
        elif name == "softmax" and isinstance(result, Tensor):
            self.seen |= tuple(result.shape[-2:]) == (self._steps, self._steps)
        return result


def full_batch(subject: Subject) -> Batch:
    """The batch of the subject, or another one where sequences of it end early."""
    batch = subject.batch
    if bool((batch.inputs.lengths == batch.inputs.steps).all()):
        return batch
    return subject.draw(9, len(batch), batch.inputs.steps)


def _step_acts(subject: Subject, batch: Batch, whole: Tensor, step: int) -> bool:
    return changes_output(subject, batch, whole, step, after=None)


def changes_output(subject: Subject, batch: Batch, whole: Tensor, step: int, after: int | None) -> bool:
    """Whether the input of a step acts on any output, or on that of one step."""
    for shift in range(1, TRIES):
        tokens = batch.inputs.tokens.clone()
        tokens[:, step] = others(batch, subject.traits, shift)[:, step]
        found = subject.outputs(with_inputs(batch, tokens))
        first, second = (whole, found) if after is None else (whole[:, after], found[:, after])
        # Any change at all: a gate may let only little pass.
        if bool((first != second).any()) and relative_change(first, second) > 1e-14:
            return True
    return False


def _unused_features(subject: Subject, batch: Batch, whole: Tensor) -> list[int]:
    tokens = batch.inputs.tokens
    if not tokens.is_floating_point() or tokens.dim() < 3:
        return []
    unused = []
    for feature in subject.sample(0, tokens.shape[2]):
        changed = tokens.clone()
        changed[:, :, feature] = others(batch, subject.traits)[:, :, feature]
        if relative_change(whole, subject.outputs(with_inputs(batch, changed))) <= 1e-14:
            unused.append(feature)
    return unused


def _unused_argument(subject: Subject, batch: Batch, whole: Tensor) -> str:
    """An argument (B, T, ...) of the user's example that acts on nothing; "" if all act."""
    read = getattr(subject, "read_raw", None)
    guessed = getattr(subject, "guessed", None)
    if read is None or guessed is None:
        return ""
    for name, value in guessed.call.roles.constants.items():
        if not callable(value):
            continue
        make: Any = value
        tensor: Tensor = make(*batch.inputs.tokens.shape[:2])
        if tensor.unique().numel() < 2 or tensor.dtype is torch.bool:
            continue
        with torch.no_grad():
            found = read(batch, **{name: guessed.call.laid_out(tensor.roll(1, dims=1))})
        changed = [each for each in guessed.call.candidates(found) if each.numel() == whole.numel()]
        plain = [each for each in guessed.call.candidates(read(batch)) if each.numel() == whole.numel()]
        if changed and relative_change(plain[0].detach(), changed[0]) <= 1e-14:
            return name
    return ""


def missing_steps(subject: Subject) -> int:
    """Steps at the end for which there are no outputs."""
    guessed = getattr(subject, "guessed", None)
    return 0 if guessed is None else guessed.call.missing


def relative_change(first: Tensor, second: Tensor) -> float:
    """The largest difference of two outputs as a fraction of the largest output."""
    if first.shape != second.shape:
        raise NotExaminedError(
            f"outputs changed their shape from {tuple(first.shape)} to {tuple(second.shape)}"
        )
    scale = first.abs().max().item()
    difference = (first - second).abs().max().item()
    return difference / scale if scale > 0 else difference
