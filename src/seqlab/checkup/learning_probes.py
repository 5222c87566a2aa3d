"""Probes of learning. Legend: B sequences, T steps, V outputs."""

from __future__ import annotations

import math
import time
from collections import defaultdict

import torch
from torch import Tensor

from seqlab.checkup.changes import select_rows
from seqlab.checkup.finding import Finding, NotApplicableError, NotExaminedError, broken, sound
from seqlab.checkup.subject import Subject
from seqlab.data.batch import Batch

ROWS, TOKENS = 4, 8
"""Size of the tiny batch: the largest number of sequences, and of steps per sequence."""
STEPS = 300
"""Adam steps per attempt."""
RATES = (0.01, 0.001, 0.1)
"""Learning rates of the attempts: the first suits small models, the second large ones, the last tables."""
LEFT, TOO_MUCH = 0.1, 0.5
"""The fraction of the avoidable loss that may remain, and that from which a model counts as broken."""
SECONDS = 4.0
"""Processor time of all attempts together, after which the probe gives no answer."""


def initial_loss(subject: Subject) -> Finding:
    """L of new weights is about log V, that of equal probabilities; at most 2 log V + 2 nats."""
    traits = subject.traits
    if traits.task == "regress":
        raise NotApplicableError("a regression has no probabilities")
    if traits.trained:
        raise NotApplicableError("its weights are trained")
    made = subject.copy()
    batch = subject.batch
    with torch.no_grad():
        loss = float(subject_loss(made, batch))
    classes = max(2, traits.outputs)
    limit = 2 * math.log(classes) + 2
    if loss <= limit:
        return sound(
            f"New weights have a loss of {loss:.3g} nats; log {classes} is {math.log(classes):.3g}.",
            loss,
            limit,
        )
    return broken(
        f"New weights have a loss of {loss:.3g} nats; log {classes} = {math.log(classes):.3g}.",
        cause="initial weights or inputs that are too large, or outputs that are scaled",
        fix="nn.init.normal_(self.output.weight, std=0.02)",
        deviation=loss,
        tolerance=limit,
        counter_example="random sequences",
        submodule="forward",
    )


def one_batch_overfitted(subject: Subject) -> Finding:
    """Some steps of Adam on a few short sequences, without dropout, remove 90 % of the avoidable loss.

    The loss is compared with two that follow from the targets alone: the lowest that any model can reach,
    which is above zero where equal inputs have different targets, and that of the best model that ignores
    its input. The difference of the two is the avoidable loss.
    """
    if (
        getattr(subject, "several", False)
        or subject.traits.source
        or (subject.traits.task == "regress" and subject.traits.per_step)
    ):
        raise NotApplicableError("the lowest loss of its targets is not known")
    tiny = _tiny(subject)
    least, blind = _reference_losses(subject, tiny)
    if blind - least < 1e-6:
        raise NotExaminedError("targets of the example do not depend on its tokens")
    left = math.inf
    deadline = time.process_time() + (SECONDS / 2 if subject.large else SECONDS)
    for rate in RATES:
        goal = least + LEFT * (blind - least)
        trained = subject.copy()
        left = min(left, (_lowest_loss(trained, tiny, rate, goal, deadline) - least) / (blind - least))
        if left <= LEFT:
            break
    size = f"{len(tiny)} sequences of at most {tiny.inputs.steps} steps"
    if left <= LEFT:
        return sound(f"{size} were memorised: {left:.0%} of the avoidable loss remains.", left, LEFT)
    if time.process_time() > deadline or left < TOO_MUCH:
        raise NotExaminedError(
            f"{size} were not memorised in {STEPS} steps, or the time for them: {left:.0%} of the "
            "avoidable loss is left"
        )
    return broken(
        f"After {STEPS} Adam steps on {size}, {left:.0%} of the avoidable loss remains (100% is a model that "
        "ignores its input).",
        cause="dead or saturated activations; softmax before the loss; linear layers alone; no "
        "memory of earlier tokens",
        fix="nn.Sequential(nn.Linear(n, m), nn.ReLU(), nn.Linear(m, outputs))",
        deviation=left,
        tolerance=TOO_MUCH,
        counter_example=size,
        submodule="forward",
    )


def subject_loss(subject: Subject, batch: Batch) -> Tensor:
    """The mean training loss of a batch."""
    return subject.loss(subject.read(batch)[0], batch)


def _tiny(subject: Subject) -> Batch:
    """The first steps of a few sequences, which have different labels where the batch has labels."""
    given = subject.given
    if given is not None and _leaves_out(given):
        given = None
    batch = subject.batch if given is None else given
    rows = torch.arange(min(ROWS if given is None else 2 * ROWS, len(batch)))
    targets = batch.target_values
    if targets.dim() == 1:
        # Sorted by how many earlier rows have the same label: the first row of each label comes first.
        equal_before = (targets[:, None] == targets).tril(-1).sum(dim=1)
        rows = equal_before.argsort(stable=True)[: len(rows)]
    if subject.traits.fixed_length or given is not None:
        return select_rows(batch, rows)
    return batch.select(rows).truncate(TOKENS)


def _leaves_out(batch: Batch) -> bool:
    """Whether targets at real steps are left out by the loss, as by -100."""
    return not batch.target_values.is_floating_point() and bool(
        (batch.target_values[batch.target_mask] < 0).any()
    )


def _reference_losses(subject: Subject, batch: Batch) -> tuple[float, float]:
    """The lowest mean loss in nats of any model, and of any model that ignores its input."""
    by_input: dict[str, list[float]] = defaultdict(list)
    whole = not subject.traits.causal
    for tokens, length, targets in zip(
        batch.inputs.tokens.tolist(), batch.inputs.lengths.tolist(), batch.target_values.tolist(), strict=True
    ):
        if batch.target_values.dim() == 1:
            by_input[str(tokens[:length])].append(targets)
            continue
        for step in range(length):
            read = tokens[:length] if whole else tokens[: step + 1]
            by_input[f"{step if whole else ''}{read}"].append(targets[step])
    groups = list(by_input.values())
    everything = [target for group in groups for target in group]
    least = sum(subject.least_loss(group) * len(group) for group in groups)
    return least / len(everything), subject.least_loss(everything)


def _lowest_loss(subject: Subject, batch: Batch, rate: float, goal: float, deadline: float) -> float:
    """The lowest loss of a training run that ends at the goal, after all steps, or at the deadline."""
    parameters = [each for each in subject.module.parameters() if each.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=rate)
    lowest = math.inf
    for _ in range(STEPS):
        loss = subject_loss(subject, batch)
        lowest = min(lowest, loss.item())
        if lowest <= goal or not loss.requires_grad or not math.isfinite(loss.item()):
            break
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if time.process_time() > deadline:
            break
    return lowest
