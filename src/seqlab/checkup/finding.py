"""The result of a probe, and the functions that probes share. Legend: B batch size, T steps, V outputs."""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seqlab.data.batch import Batch
from seqlab.models.model import SequenceModel
from seqlab.schema.errors import UserError
from seqlab.schema.own_code import OwnCodeError
from seqlab.tasks.task import Task

ROUNDING = 1e-9
"""The largest difference of two outputs of a float64 copy, as a fraction of the largest logit, that counts as
equal. Rounding in float64 stays below 1e-12; a computation in float32 inside the model exceeds 1e-8."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The result of one probe.

    worst: the largest deviation, in the unit that the message names; inf if the model raised an error.
    tolerance: the largest deviation that passes.
    """

    probe: str
    passed: bool
    message: str
    worst: float
    tolerance: float


Probe = Callable[[SequenceModel, Batch, Task], Finding]


def probe(run: Probe) -> Probe:
    """Turn a function that examines a model into a probe that leaves the model unchanged.

    The function receives a deep copy in evaluation mode on the CPU, which it may modify. The global generator
    has a fixed seed during the call and its previous state after it. An error that the model raises is a
    failed finding, not an error of the probe.
    """

    @functools.wraps(run)
    def examine(model: SequenceModel, batch: Batch, task: Task) -> Finding:
        _check(batch)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            try:
                return run(copy.deepcopy(model).cpu().eval(), batch.to(torch.device("cpu")), task)
            except OwnCodeError as error:
                return Finding(
                    probe=run.__name__, passed=False, message=str(error), worst=math.inf, tolerance=0.0
                )
            except UserError:
                raise
            except Exception as error:  # a user's own module may raise anything
                message = f"The model raised {type(error).__name__}: {error}"
                return Finding(
                    probe=run.__name__, passed=False, message=message, worst=math.inf, tolerance=0.0
                )

    return examine


def perturbed(model: SequenceModel) -> SequenceModel:
    """The model in float64, with small random values in every parameter that is all zero.

    A newly initialised model often has zero biases or a zero head, which hide the effect of a mistake.
    """
    model = model.double()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.count_nonzero() == 0:
                parameter.normal_(std=0.02, generator=generator)
    return model


def logits_of(model: SequenceModel, batch: Batch) -> Tensor:
    """Logits (B, T, V) or (B, V), without gradients."""
    with torch.no_grad():
        return model(batch)[0]


def counting(logits: Tensor, batch: Batch) -> Bool[Tensor, "B ..."]:
    """Where logits belong to a real token: (B, T), or (B,) for one output per sequence."""
    return batch.inputs.mask if logits.dim() == 3 else torch.ones_like(batch.inputs.lengths, dtype=torch.bool)


@dataclass(frozen=True)
class OutputDifference:
    """The largest difference of two outputs, as a fraction of the largest logit.

    what: the change that caused it.
    size: inf for NaN or unequal shapes.
    position: the row and step of the batch.
    """

    what: str
    size: float
    position: str


def compare(
    what: str,
    expected: Float[Tensor, "B *T V"],
    actual: Float[Tensor, "B *T V"],
    mask: Bool[Tensor, "B ..."],
    first_row: int = 0,
) -> OutputDifference:
    """The difference of two outputs where the mask is True; infinite for NaN and unequal shapes.

    Args:
        what: the change that should have made no difference, as the subject of a sentence.
        expected: the output without that change.
        actual: the output with it.
        mask: which outputs to compare.
        first_row: index of the outputs' first row in the whole batch.
    """
    if expected.shape != actual.shape:
        return OutputDifference(what, math.inf, f"shape {tuple(actual.shape)}, not {tuple(expected.shape)}")
    # NaN counts as inf: comparisons with NaN are false, so `verdict` could overlook it.
    distance = (expected - actual).abs().amax(dim=-1).nan_to_num(nan=math.inf).where(mask, 0.0)
    row, *step = (int(index) for index in torch.unravel_index(distance.argmax(), distance.shape))
    position = f"row {first_row + row}" + "".join(f", step {index}" for index in step)
    scale = expected[mask].abs().max().item()
    size = distance.max().item()
    return OutputDifference(what, size / scale if 0 < scale < math.inf else size, position)


def verdict(name: str, holds: str, differences: list[OutputDifference], causes: str) -> Finding:
    """The finding of a probe that passes if all differences are rounding errors.

    Args:
        name: of the probe.
        holds: what is true of a correct model, as a clause.
        differences: of all pairs of outputs that were compared.
        causes: likely mistakes, separated by semicolons.
    """
    worst = max(differences, key=lambda difference: difference.size)
    passed = worst.size <= ROUNDING
    if passed:
        message = f"{holds}, up to {worst.size:.0e} of the largest logit."
    else:
        message = (
            f"{worst.what} changes the logits by {worst.size:.1e} of the largest one, "
            f"at {worst.position}. Likely causes: {causes}."
        )
    return Finding(probe=name, passed=passed, message=message, worst=worst.size, tolerance=ROUNDING)


def other_tokens(tokens: Int[Tensor, "B T"], mask: Bool[Tensor, "B T"]) -> Int[Tensor, "B T"]:
    """At every position another token; only ids that occur in the batch, because those are valid."""
    known = tokens[mask].unique()
    indices = torch.searchsorted(known, tokens.contiguous()).clamp(max=len(known) - 1)
    return known[(indices + 1) % len(known)]


def _check(batch: Batch) -> None:
    lengths = batch.inputs.lengths
    rows, longest = len(batch), int(lengths.max()) if len(batch) else 0
    if rows < 2 or longest < 2 or int(lengths.min()) < 1:
        raise UserError(
            "A batch for the checkup must contain at least 2 sequences, none of them empty and one of at "
            f"least 2 tokens. Got lengths {lengths.tolist()}."
        )
    if len(batch.inputs.tokens[batch.inputs.mask].unique()) < 2:
        raise UserError("A batch for the checkup must contain at least 2 different tokens. Got 1.")
