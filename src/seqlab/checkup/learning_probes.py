"""Probes of gradients and learning. Legend: B batch size, T steps, V outputs."""

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
"""Size of the tiny batch: the largest number of sequences, and of tokens per sequence."""
STEPS = 300
"""Adam steps per attempt."""
RATES = (0.01, 0.001)
"""Learning rates of the attempts: the first suits small models, the second large ones."""
NAMES = 4
"""The largest number of parameters that a message names."""
LEFT = 0.1
"""The largest fraction of the avoidable loss that may remain."""


@probe
def gradients_reach_parameters(model: SequenceModel, batch: Batch, task: Task) -> Finding:
    """Find parameters whose gradient is missing, all zero, or not finite.

    Detects a detached state or parameter, a layer that is never used, dead or saturated activations. Frozen
    parameters, and those that the model lists in `no_gradient`, are not checked.
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
    message = f"All {len(named)} parameters have a gradient."
    if lost:
        message = (
            f"{lost} of {len(named)} parameters have no usable gradient. "
            + " ".join(f"{fault}: {_names(names)}." for fault, names in faults.items())
            + " Likely causes: detach or no_grad in the forward pass; a layer that is never used; "
            "dead or saturated activations; division by zero or overflow (NaN)."
        )
    return Finding(
        probe="gradients_reach_parameters",
        passed=lost == 0,
        message=message,
        worst=float(lost),
        tolerance=0.0,
    )


@probe
def one_batch_overfitted(model: SequenceModel, batch: Batch, task: Task) -> Finding:
    """Train a copy on a few short sequences, without dropout, until it has memorised them.

    The loss is compared with two losses that follow from the targets alone: the lowest that any model can
    reach, which is above zero where equal inputs have different targets, and that of the best model that
    ignores its input. The difference of the two is the avoidable loss. Detects dead activations, missing
    nonlinearities (on a batch that needs one), outputs that cannot reach the target, inputs that are ignored.

    Raises:
        UserError: no model is better on this batch than one that ignores its input.
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
    size = f"{len(tiny)} sequences of at most {tiny.inputs.steps} tokens"
    if left <= LEFT:
        message = f"{size} were memorised: {left:.0%} of the avoidable loss remains."
    else:
        message = (
            f"After {STEPS} Adam steps on {size}, {left:.0%} of the avoidable loss remains (100% is a model "
            "that ignores its input). Likely causes: dead or saturated activations; no activation between "
            "linear layers; an output that cannot reach the target; no memory of earlier tokens."
        )
    return Finding(
        probe="one_batch_overfitted", passed=left <= LEFT, message=message, worst=left, tolerance=LEFT
    )


def _loss(model: SequenceModel, batch: Batch, task: Task) -> Tensor:
    """Mean training loss in nats."""
    features, _ = model.features(batch, None)
    total, count = task.loss(model.head, *batch.real(features))
    return total / count


def _fault(gradient: Tensor | None) -> str:
    if gradient is None:
        return "Not connected to the loss"
    if not gradient.isfinite().all():
        return "NaN or infinite"
    return "" if gradient.count_nonzero() else "All zero"


def _names(names: list[str]) -> str:
    more = f" and {len(names) - NAMES} more" if len(names) > NAMES else ""
    return ", ".join(names[:NAMES]) + more


def _tiny(model: SequenceModel, batch: Batch) -> Batch:
    """The first tokens of a few sequences, which have different labels where the batch has labels."""
    rows = torch.arange(min(ROWS, len(batch)))
    targets = batch.target_values
    if targets.dim() == 1:
        # Sorted by how many earlier rows have the same label: the first row of each label comes first.
        equal_before = (targets[:, None] == targets).tril(-1).sum(dim=1)
        rows = equal_before.argsort(stable=True)[:ROWS]
    few = batch.select(rows)
    return few.truncate(TOKENS) if model.capabilities.variable_length else few


def _reference_losses(model: SequenceModel, batch: Batch, task: Task) -> tuple[float, float]:
    """The lowest mean loss in nats of any model, and of any model that ignores its input."""
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
    """The lowest loss of a training run that ends at the goal, or after all steps."""
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
