"""Probes of the user's loss, from its gradient. Legend: B sequences, T steps, V outputs.

The gradient of a cross-entropy with respect to the outputs of a position is (p - e_y) / N: it is negative at
the target y alone, zero where the position does not count, and shows the number N by which the sum is
divided.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from seqlab.checkup.finding import Finding, NotApplicableError, NotExaminedError, broken, sound
from seqlab.checkup.subject import Subject
from seqlab.checkup.user_loss import inner_loss, user_gradient
from seqlab.data.batch import Batch
from seqlab.data.sequences import Padded

SMALL = 1e-6
"""Largest fraction of the largest gradient that counts as none."""


def loss_skips_padding(subject: Subject) -> Finding:
    """∂L/∂y_t = 0 at every padding position t."""
    batch, _, gradient = _examined(subject)
    if not isinstance(batch.targets, Padded):
        raise NotApplicableError("targets are not for each step")
    mask = batch.inputs.mask
    if bool(mask.all()):
        raise NotApplicableError("no sequence of the example ends early")
    # The last target of a sequence may be that of its last step, or of the one before.
    size = gradient.abs().amax(dim=-1)
    worst = size[~mask].max().item() / max(size.max().item(), 1e-30)
    if worst <= SMALL:
        return sound("Outputs at padding have no gradient.", worst, SMALL)
    row, step = (int(each) for each in ((size * ~mask) > SMALL * size.max()).nonzero()[0])
    return broken(
        f"The loss depends on outputs at padding: their gradient is {worst:.1e} of the largest.",
        cause="the loss counts padding as targets",
        fix="F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=pad)",
        deviation=worst,
        tolerance=SMALL,
        counter_example=f"row {row}, step {step}",
        submodule="loss",
    )


def loss_averages(subject: Subject) -> Finding:
    """L = Σ_t w_t l_t with Σ w = 1 and equal w_t: a mean over real targets.

    The weights are read from gradients at two outputs y, y': g - g' = w (p - p'), with p the softmax or
    sigmoid of y (2 y for a squared error), whatever the targets are.
    """
    batch, _, _ = _examined(subject)
    weights = _weights(subject, batch)
    total = weights.sum().item()
    if abs(total - 1) > 1e-3:
        count = int((weights.abs() > 1e-9).sum())
        what = _divided_by(total, count, len(batch))
        return broken(
            f"The weights of {count} targets add up to {total:.4g}, not to 1: the loss is {what}.",
            cause="a sum that is returned as a mean, or divided by a fixed or wrong number",
            fix="loss = nll.sum() / mask.sum()  # the number of real targets",
            deviation=abs(total - 1),
            tolerance=1e-3,
            counter_example=f"{count} targets",
            submodule="loss",
        )
    if unequal := _means_of_means(weights):
        return unequal
    return sound(
        "The weights of all targets are equal or depend on no length, and add up to 1.", abs(total - 1), 1e-3
    )


def targets_are_next(subject: Subject) -> Finding:
    """The target of step t, which is where the gradient is negative, is token t + 1."""
    traits = subject.traits
    if traits.task not in ("language-model", "translate") or not traits.per_step or not traits.tokens:
        raise NotApplicableError("it predicts no next token")
    batch, _, gradient = _examined(subject)
    if gradient.shape[-1] < traits.vocabulary:
        raise NotApplicableError("its outputs are not its tokens")
    tokens, mask = batch.inputs.tokens, batch.inputs.mask.clone()
    if traits.pad is not None:
        mask &= tokens != traits.pad
    counted = (gradient.abs().amax(dim=-1) > 1e-12) & mask
    targets = gradient.argmin(dim=-1)
    shares = {shift: _agreement(tokens, targets, counted, mask, shift) for shift in (-1, 0, 1, 2)}
    best = max(shares, key=lambda shift: shares[shift])
    if shares[best] < 0.9:
        raise NotExaminedError("targets of the example are not its tokens at any shift")
    if best == 1:
        return sound(f"{shares[1]:.0%} of targets are the next token.", 1 - shares[1], 0.1)
    what = {0: "the token itself", -1: "the token before", 2: "the token after the next"}[best]
    cause = (
        "targets are shifted twice, by the data and by the loss" if best == 2 else "targets are not shifted"
    )
    row, step = (int(each) for each in counted.nonzero()[0])
    return broken(
        f"The target of step t is {what}: for {shares[best]:.0%} of the steps.",
        cause=cause,
        fix="loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())  # shift once",
        deviation=shares[best],
        tolerance=0.1,
        counter_example=f"row {row}, step {step}",
        submodule="loss",
    )


def _examined(subject: Subject) -> tuple[Batch, float, Tensor]:
    """The user's example, its loss, and the gradient of each output."""
    if subject.given is None:
        raise NotApplicableError("there is no example with targets (batch={'tokens': ..., 'targets': ...})")
    loss, gradient = _loss_of(subject, subject.given)
    return subject.given, loss, gradient


def _loss_of(subject: Subject, batch: Batch) -> tuple[float, Tensor]:
    inner = inner_loss(subject, batch)
    if inner is not None:
        return inner
    outputs = subject.outputs(batch)
    if subject.loss_function is not None:
        return user_gradient(subject, outputs, batch.target_values)
    if subject.traits.task not in ("language-model", "translate"):
        raise NotApplicableError("it has no loss of its own (loss=...)")
    leaf = outputs.detach().clone().requires_grad_()
    loss = subject.loss(leaf, batch)
    return float(loss), torch.autograd.grad(loss, leaf)[0]


def _weights(subject: Subject, batch: Batch) -> Tensor:
    """The weight (B, T) or (B,) of each position in the user's loss.

    Raises:
        NotExaminedError: the loss is none of those that are understood.
    """
    if subject.loss_function is None:
        raise NotApplicableError("it has no loss of its own (loss=...)")
    outputs = subject.outputs(batch)
    random = torch.Generator().manual_seed(0)
    if getattr(subject, "range", "logits") != "logits":
        raise NotApplicableError("weights are read from logits, and outputs are none")
    pair = [outputs, outputs + 0.5 * torch.randn(outputs.shape, generator=random).to(outputs)]
    gradients = [user_gradient(subject, each, batch.target_values)[1] for each in pair]
    change, slope = gradients[0] - gradients[1], _link(subject, pair[0]) - _link(subject, pair[1])
    weights = (change * slope).sum(-1) / slope.pow(2).sum(-1).clamp(min=1e-30)
    rest = (change - weights.unsqueeze(-1) * slope).abs().max().item()
    if rest > 1e-4 * max(change.abs().max().item(), 1e-30):
        raise NotExaminedError("the loss is neither a cross-entropy nor a squared error")
    return weights


def _link(subject: Subject, outputs: Tensor) -> Tensor:
    if subject.traits.task == "regress":
        return 2 * outputs
    return outputs.sigmoid() if subject.traits.outputs == 1 else outputs.softmax(-1)


def _divided_by(total: float, count: int, rows: int) -> str:
    divisor = count / total if total else math.inf
    if abs(divisor - 1) < 0.01:
        return "their sum"
    if abs(divisor - rows) < 0.01 * rows:
        return f"their sum divided by the number of rows, {rows}"
    return f"their sum divided by {divisor:.4g}"


def _means_of_means(weights: Tensor) -> Finding | None:
    """Whether each row has the same weight, whatever its number of targets."""
    if weights.dim() < 2:
        return None
    real = weights.abs() > 1e-9
    counts = real.sum(1)
    rows = counts > 0
    sums, counts = weights.sum(1)[rows], counts[rows]
    if len(counts.unique()) < 2 or (sums - sums.mean()).abs().max() > 1e-3 * sums.mean():
        return None
    means = sums / counts
    return broken(
        "Each row has the same weight, so a target of a short row counts up to "
        f"{(means.max() / means.min()).item():.3g} times as much as one of a long row.",
        cause="a mean of the means of rows or batches of unequal sizes",
        fix="loss = nll.sum() / mask.sum()  # over all rows at once",
        deviation=(means.max() / means.min()).item() - 1,
        tolerance=1e-3,
        counter_example=f"rows of {int(counts.min())} and {int(counts.max())} targets",
        submodule="loss",
    )


def _agreement(tokens: Tensor, targets: Tensor, counted: Tensor, mask: Tensor, shift: int) -> float:
    T = tokens.shape[1]
    first, last = max(0, -shift), T - max(0, shift)
    steps = torch.arange(first, last)
    both = counted[:, steps] & mask[:, steps + shift]
    if not bool(both.any()):
        return 0.0
    return (targets[:, steps] == tokens[:, steps + shift])[both].double().mean().item()
