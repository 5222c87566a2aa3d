"""Probes of learning. Legend: B rows, T steps, V outputs."""

from __future__ import annotations

import copy
import math
from collections import defaultdict

import torch
from torch import Tensor

from seqlab.checkup.finding import Finding, perturbed, probe
from seqlab.data.batch import Batch
from seqlab.models.model import SequenceModel
from seqlab.schema.errors import UserError
from seqlab.tasks.task import Task

ROWS, TOKENS = 4, 8
"""Size of the tiny batch: at most so many rows, cut to so many tokens."""
STEPS = 300
"""Adam steps an attempt."""
RATES = (0.01, 0.001)
"""Learning rates of the attempts: the first suits small models, the second large ones."""
NAMES = 4
"""Parameters that a message names."""
LEFT = 0.1
"""Share of the avoidable loss that may be left."""


@probe
def gradients_reach_parameters(model: SequenceModel, batch: Batch, task: Task) -> Finding:
    """Look for parameters whose gradient is missing, zero throughout, or not finite.

    Catches a detached state or parameter, a layer that is built and never used, dead or saturated
    activations. Frozen parameters and those the model names in `no_gradient` are left out.
    """
    model = perturbed(model)
    named = {
        name: parameter
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and name not in model.capabilities.no_gradient
    }
    loss = _loss(model, batch, task)
    gradients: tuple[Tensor | None, ...] = (None,) * len(named)
    if named and loss.requires_grad:
        gradients = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
    faults: dict[str, list[str]] = defaultdict(list)
    for name, gradient in zip(named, gradients, strict=True):
        if fault := _fault(gradient):
            faults[fault].append(name)
    lost = sum(len(names) for names in faults.values())
    said = f"All {len(named)} parameters get a gradient."
    if lost:
        said = (
            f"{lost} of {len(named)} parameters get no useful gradient; "
            + "; ".join(f"{fault}: {_names(names)}" for fault, names in faults.items())
            + ". Usual causes: detach or no_grad in the forward pass; a layer that is never used; "
            "dead or saturated activations."
        )
    return Finding(
        probe="gradients_reach_parameters",
        passed=lost == 0,
        message=said,
        worst=float(lost),
        tolerance=0.0,
    )


@probe
def one_batch_overfitted(model: SequenceModel, batch: Batch, task: Task) -> Finding:
    """Train a copy on a few short rows, dropout off, until it knows them by heart.

    The loss is held against two losses that follow from the targets alone: the least that any model
    can reach, which is above zero where equal inputs have different targets, and that of the best
    model that ignores its input. Catches dead activations, missing nonlinearities (on a batch that
    needs one), outputs that cannot reach the target, inputs that never arrive.

    Raises:
        UserError: ignoring the input is the best one can do on this batch.
    """
    tiny = _tiny(model, batch)
    least, blind = _reference_losses(model, tiny, task)
    if blind - least < 1e-6:
        raise UserError(
            "A batch for the checkup must have targets that depend on its tokens. "
            f"Got {tiny.target_values.tolist()} in its first {len(tiny)} rows."
        )
    left = math.inf
    for rate in RATES:
        lowest = _lowest_loss(copy.deepcopy(model), tiny, task, rate, goal=least + LEFT * (blind - least))
        left = min(left, (lowest - least) / (blind - least))
        if left <= LEFT:
            break
    size = f"{len(tiny)} rows of at most {tiny.inputs.steps} tokens"
    if left <= LEFT:
        said = f"{size} are learned by heart: {left:.0%} of the avoidable loss is left."
    else:
        said = (
            f"{STEPS} Adam steps on {size} left {left:.0%} of the avoidable loss (100% is a model that "
            "ignores its input). Usual causes: dead or saturated activations; no activation between linear "
            "layers; an output that cannot reach the target."
        )
    return Finding(
        probe="one_batch_overfitted", passed=left <= LEFT, message=said, worst=left, tolerance=LEFT
    )


def _loss(model: SequenceModel, batch: Batch, task: Task) -> Tensor:
    """Mean training loss in nats."""
    features, _ = model.features(batch, None)
    total, count = task.loss(model.head, *batch.real(features))
    return total / count


def _fault(gradient: Tensor | None) -> str:
    if gradient is None:
        return "not reached"
    if not gradient.isfinite().all():
        return "not finite"
    return "" if gradient.count_nonzero() else "zero throughout"


def _names(names: list[str]) -> str:
    more = f" and {len(names) - NAMES} more" if len(names) > NAMES else ""
    return ", ".join(names[:NAMES]) + more


def _tiny(model: SequenceModel, batch: Batch) -> Batch:
    """A few rows, of different labels if there are any, and their first tokens."""
    rows = torch.arange(min(ROWS, len(batch)))
    targets = batch.target_values
    if targets.dim() == 1:
        equal_before = (targets[:, None] == targets).tril(-1).sum(dim=1)
        rows = equal_before.argsort(stable=True)[:ROWS]
    few = batch.select(rows)
    return few.truncate(TOKENS) if model.capabilities.variable_length else few


def _reference_losses(model: SequenceModel, batch: Batch, task: Task) -> tuple[float, float]:
    """Mean nats of the best model there can be, and of the best that ignores its input."""
    with torch.no_grad():
        outputs = model(batch)[0].shape[-1]
    by_input: dict[tuple[int, ...], list[int | float]] = defaultdict(list)
    for tokens, length, targets in zip(
        batch.inputs.tokens.tolist(), batch.inputs.lengths.tolist(), batch.target_values.tolist(), strict=True
    ):
        if batch.target_values.dim() == 1:
            by_input[tuple(tokens[:length])].append(targets)
            continue
        for step in range(length):
            by_input[tuple(tokens[: step + 1])].append(targets[step])
    groups = list(by_input.values())
    everything = [target for group in groups for target in group]
    least = sum(task.least_loss(group, outputs) * len(group) for group in groups)
    return least / len(everything), task.least_loss(everything, outputs)


def _lowest_loss(model: SequenceModel, batch: Batch, task: Task, rate: float, goal: float) -> float:
    """Train until the goal is reached, or all steps are used."""
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    lowest = math.inf
    for _ in range(STEPS + 1):
        optimizer.zero_grad()
        loss = _loss(model, batch, task)
        lowest = min(lowest, loss.item())
        if lowest <= goal or not loss.requires_grad:
            break
        loss.backward()
        optimizer.step()
    return lowest
