"""Comparing the outputs of two runs that must agree. Legend: B sequences, T steps, V outputs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from seqlab.checkup.finding import Finding, broken, sound
from seqlab.data.batch import Batch


@dataclass(frozen=True)
class OutputDifference:
    """The largest difference of two outputs, as a fraction of the largest output.

    what: the change that caused it. size: inf for NaN or unequal shapes. position: the row and step. where:
    finds the submodule in which it first shows.
    """

    what: str
    size: float
    position: str
    where: Callable[[], str] = str


def outputs_mask(outputs: Tensor, batch: Batch) -> Bool[Tensor, "B ..."]:
    """Where outputs belong to a real step: (B, T), or (B,) for one output per sequence."""
    return (
        batch.inputs.mask if outputs.dim() == 3 else torch.ones_like(batch.inputs.lengths, dtype=torch.bool)
    )


def compare(
    what: str,
    expected: Float[Tensor, "B *T V"],
    actual: Float[Tensor, "B *T V"],
    mask: Bool[Tensor, "B ..."],
    *,
    first_row: int = 0,
    where: Callable[[], str] = str,
) -> OutputDifference:
    """The difference of two outputs where the mask is True; infinite for NaN and unequal shapes.

    Args:
        what: the change that should have made no difference, as the subject of a sentence.
        expected: the output without that change.
        actual: the output with it.
        mask: which outputs to compare.
        first_row: index of the outputs' first row in the whole batch.
        where: see `OutputDifference`.
    """
    if expected.shape != actual.shape:
        shapes = f"shape {tuple(actual.shape)}, not {tuple(expected.shape)}"
        return OutputDifference(what, math.inf, shapes, where)
    if not expected.numel():
        return OutputDifference(what, 0.0, "no output", where)
    # Equal infinities are equal; NaN counts as inf, since comparisons with NaN are false.
    distance = (expected - actual).abs().where(expected != actual, 0.0)
    distance = distance.amax(dim=-1).nan_to_num(nan=math.inf).where(mask, 0.0)
    row, *step = (int(index) for index in torch.unravel_index(distance.argmax(), distance.shape))
    position = f"row {first_row + row}" + "".join(f", step {index}" for index in step)
    real = expected[mask]
    scale = real[real.isfinite()].abs().max().item() if bool(real.isfinite().any()) else 0.0
    size = distance.max().item()
    return OutputDifference(what, size / scale if scale > 0 else size, position, where)


def verdict(
    holds: str, differences: list[OutputDifference], tolerance: float, *, cause: str, fix: str
) -> Finding:
    """The finding of a probe that passes if all differences are rounding.

    Args:
        holds: what is true of a correct model, as a clause.
        differences: of all pairs of outputs that were compared, the smallest input first.
        tolerance: the largest fraction of the largest output that counts as equal.
        cause: the likeliest mistake.
        fix: its correction in one line of code.
    """
    worst = max(differences, key=lambda difference: difference.size)
    if worst.size <= tolerance:
        return sound(f"{holds}, up to {worst.size:.0e} of the largest output.", worst.size, tolerance)
    first = next(difference for difference in differences if difference.size > tolerance)
    return broken(
        f"{first.what} changes outputs by {first.size:.1e} of the largest one, at {first.position}.",
        cause=cause,
        fix=fix,
        deviation=worst.size,
        tolerance=tolerance,
        counter_example=f"{first.what}: {first.position}",
        submodule=first.where() or "forward",
    )
