"""What a probe finds, and what all probes share. Legend: B rows, T steps, V outputs."""

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
from seqlab.tasks.task import Task

ROUNDING = 1e-9
"""Outputs of a float64 copy that differ by less, as a share of the largest one, are equal. Rounding
stays under 1e-12, and float32 somewhere inside shows from 1e-8 on."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A probe's verdict.

    worst: the largest deviation found, in the unit that the message names; inf when the model
        stopped with an error.
    tolerance: the largest deviation that passes.
    """

    probe: str
    passed: bool
    message: str
    worst: float
    tolerance: float


Probe = Callable[[SequenceModel, Batch, Task], Finding]


def probe(run: Probe) -> Probe:
    """Make a probe of a function that examines a copy of a model.

    The function gets a deep copy in evaluation mode on the CPU and may do to it what it likes. The
    global generator is fixed inside and as found behind it; a model that stops with an error has
    failed.
    """

    @functools.wraps(run)
    def examine(model: SequenceModel, batch: Batch, task: Task) -> Finding:
        _check(batch)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            try:
                return run(copy.deepcopy(model).cpu().eval(), batch.to(torch.device("cpu")), task)
            except UserError:
                raise
            except Exception as error:  # whatever a user's own module may raise
                said = f"The model stopped with {type(error).__name__}: {error}"
                return Finding(probe=run.__name__, passed=False, message=said, worst=math.inf, tolerance=0.0)

    return examine


def perturbed(model: SequenceModel) -> SequenceModel:
    """The model in float64, every parameter that is zero throughout drawn anew.

    A freshly initialised model often has zero biases or a zero head, and behind them a mistake
    has no effect yet.
    """
    model = model.double()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.count_nonzero() == 0:
                parameter.normal_(std=0.02, generator=generator)
    return model


def logits_of(model: SequenceModel, batch: Batch) -> Tensor:
    """Logits (B, T, V) or (B, V), without a graph."""
    with torch.no_grad():
        return model(batch)[0]


def counting(logits: Tensor, batch: Batch) -> Bool[Tensor, "B ..."]:
    """Where logits stand behind a real token: (B, T), or (B,) for one output a row."""
    return batch.inputs.mask if logits.dim() == 3 else torch.ones_like(batch.inputs.lengths, dtype=torch.bool)


@dataclass(frozen=True)
class OutputDifference:
    """How far two outputs are apart: the largest difference, as a share of the largest logit."""

    what: str
    size: float
    place: str


def compare(
    what: str,
    expected: Float[Tensor, "B *T V"],
    found: Float[Tensor, "B *T V"],
    mask: Bool[Tensor, "B ..."],
    first_row: int = 0,
) -> OutputDifference:
    """The difference of two outputs where the mask is True; nan and unequal shapes differ infinitely.

    Args:
        what: the change that should have made no difference, in words.
        expected: the output without that change.
        found: the output with it.
        mask: where to look.
        first_row: number of the outputs' first row in the whole batch.
    """
    if expected.shape != found.shape:
        return OutputDifference(what, math.inf, f"shape {tuple(found.shape)}, not {tuple(expected.shape)}")
    apart = (expected - found).abs().amax(dim=-1).nan_to_num(nan=math.inf).where(mask, 0.0)
    row, *step = (int(index) for index in torch.unravel_index(apart.argmax(), apart.shape))
    place = f"row {first_row + row}" + "".join(f", step {index}" for index in step)
    scale = expected[mask].abs().max().item()
    size = apart.max().item()
    return OutputDifference(what, size / scale if 0 < scale < math.inf else size, place)


def verdict(name: str, holds: str, differences: list[OutputDifference], causes: str) -> Finding:
    """Pass when every difference is rounding.

    Args:
        name: of the probe.
        holds: what is true of a sound model, a clause.
        differences: all that was compared.
        causes: what usually breaks it.
    """
    worst = max(differences, key=lambda difference: difference.size)
    passed = worst.size <= ROUNDING
    if passed:
        said = f"{holds}, up to {worst.size:.0e} of the largest logit."
    else:
        said = (
            f"{worst.what} changes the logits by {worst.size:.1e} of the largest one, "
            f"at {worst.place}. Usual causes: {causes}."
        )
    return Finding(probe=name, passed=passed, message=said, worst=worst.size, tolerance=ROUNDING)


def other_tokens(tokens: Int[Tensor, "B T"], mask: Bool[Tensor, "B T"]) -> Int[Tensor, "B T"]:
    """At every place another one of the ids that the batch holds, which are valid for the model."""
    known = tokens[mask].unique()
    places = torch.searchsorted(known, tokens.contiguous()).clamp(max=len(known) - 1)
    return known[(places + 1) % len(known)]


def _check(batch: Batch) -> None:
    lengths = batch.inputs.lengths
    rows, longest = len(batch), int(lengths.max()) if len(batch) else 0
    if rows < 2 or longest < 2 or int(lengths.min()) < 1:
        raise UserError(
            "A batch for the checkup must have at least 2 rows of at least 1 token, one of them longer. "
            f"Got {rows} rows with lengths {lengths.tolist()}."
        )
    if len(batch.inputs.tokens[batch.inputs.mask].unique()) < 2:
        raise UserError("A batch for the checkup must hold at least 2 different tokens. Got 1.")
