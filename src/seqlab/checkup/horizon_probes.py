"""The probe of gradients through time. Legend: B sequences, T steps, E features."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from seqlab.checkup.finding import Finding, NotApplicableError, broken, sound
from seqlab.checkup.input_probes import changes_output, missing_steps
from seqlab.checkup.subject import Subject
from seqlab.data.batch import Batch

SHRINKAGE = 0.2
"""Least mean factor by which a gradient may shrink from step to step."""
GROWTH = 1e4
"""Largest factor by which a gradient may grow from the last step to the first one."""


def gradients_through_time(subject: Subject) -> Finding:
    """|∂y_T/∂x_t| is finite for every t, not cut to exactly 0, and does not explode with T - t."""
    vectors, gradients, batch = _input_gradients(subject)
    T = vectors.shape[1]
    norms = gradients.flatten(2).norm(dim=2).mean(dim=0)
    if not bool(norms.isfinite().all()):
        return broken(
            "The gradient of the last output is NaN or infinite.",
            cause="overflow, division by zero, or a root or logarithm of zero",
            fix="torch.sqrt(x + 1e-12)",
            submodule="forward",
        )
    last, first = norms[T - 1 - missing_steps(subject)].item(), norms[0].item()
    if subject.traits.causal and last > 0 and _cut(subject, batch, norms):
        return broken(
            "The gradient of the last output is exactly 0 at step 0, although its input acts on it.",
            cause="the state is detached within a sequence",
            fix="h = self.cell(x, h)  # detach only between windows",
            deviation=0.0,
            counter_example="step 0",
            submodule="forward",
        )
    ratio = first / last if last > 0 else 0.0
    if subject.traits.causal and ratio > GROWTH:
        return broken(
            f"The gradient of the last output grows by {ratio:.1e} over {T} steps.",
            cause="recurrent weights with a norm far above 1, or a state that is multiplied in each step",
            fix="nn.init.orthogonal_(self.rnn.weight_hh_l0)",
            deviation=ratio,
            tolerance=GROWTH,
            counter_example=f"{T} steps",
            submodule="forward",
        )
    if vanishing := _vanishing(norms[: T - missing_steps(subject)]):
        return vanishing
    decade = math.log10(ratio) if ratio > 0 else -math.inf
    return sound(
        f"From the last step to the first, the gradient changes by a factor of 10^{decade:.1f}.",
        ratio,
        GROWTH,
    )


def _vanishing(norms: Tensor) -> Finding | None:
    """Whether the gradient falls by a large factor in each step, early ones as well as late ones."""
    steps = len(norms) - 1
    if steps < 4 or bool((norms <= 0).any()):
        return None
    middle = steps // 2
    factors = [
        (norms[0] / norms[middle]) ** (1 / middle),
        (norms[middle] / norms[-1]) ** (1 / (steps - middle)),
    ]
    worst = max(factor.item() for factor in factors)
    if worst >= SHRINKAGE:
        return None
    return broken(
        f"The gradient of the last output shrinks by a factor of {1 / worst:.1f} in each earlier step.",
        cause="a sigmoid in the recurrence, or recurrent weights that are much too small",
        fix="h = torch.tanh(...)  # or nn.GRU, nn.LSTM; nn.init.orthogonal_ for recurrent weights",
        deviation=worst,
        tolerance=SHRINKAGE,
        counter_example=f"{steps + 1} steps",
        submodule="forward",
    )


def _input_gradients(subject: Subject) -> tuple[Tensor, Tensor, Batch]:
    """What the module reads as vectors (B, T, E), and the gradient of the last outputs with respect to it."""
    batch = subject.in_type(subject.batch)
    if batch.inputs.tokens.is_floating_point():
        vectors = batch.inputs.tokens.clone().requires_grad_()
        outputs = subject.read(
            type(batch)(type(batch.inputs)(vectors, batch.inputs.lengths), batch.targets, batch.source)
        )[0]
        return _three(vectors), _three(_gradient(subject, outputs, vectors)), batch
    kept: list[Tensor] = []
    shape = batch.inputs.tokens.shape

    def keep(layer: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> None:
        if arguments and arguments[0].shape in (shape, shape[::-1]) and output.requires_grad:
            kept.append(output)

    hooks = [
        each.register_forward_hook(keep)
        for each in subject.module.modules()
        if isinstance(each, nn.Embedding)
    ]
    try:
        outputs, _ = subject.read(batch)
    finally:
        for hook in hooks:
            hook.remove()
    if not kept:
        raise NotApplicableError("it does not embed its tokens by torch.nn.Embedding in one call")
    gradient = _gradient(subject, outputs, kept[-1])
    return (
        (kept[-1], gradient, batch) if kept[-1].shape[:2] == shape else (*_swapped(kept[-1], gradient), batch)
    )


def _swapped(vectors: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    return vectors.transpose(0, 1), gradient.transpose(0, 1)


def _three(tensor: Tensor) -> Tensor:
    return tensor if tensor.dim() > 2 else tensor.unsqueeze(2)


def _gradient(subject: Subject, outputs: Tensor, vectors: Tensor) -> Tensor:
    last = outputs[:, -1 - missing_steps(subject)] if outputs.dim() == 3 else outputs
    weights = torch.linspace(1, 2, last.shape[-1], dtype=last.dtype)
    if not last.requires_grad:
        raise NotApplicableError("outputs have no gradient; `gradients_reach_parameters` reports it")
    (gradient,) = torch.autograd.grad((last * weights).sum(), vectors, allow_unused=True)
    return torch.zeros_like(vectors) if gradient is None else gradient


def _cut(subject: Subject, batch: Batch, norms: Tensor) -> bool:
    if norms[0].item() != 0 or norms[:-1].count_nonzero() == len(norms) - 1:
        return False
    whole = subject.outputs(batch)
    return changes_output(subject, batch, whole, 0, after=whole.shape[1] - 1 - missing_steps(subject))
