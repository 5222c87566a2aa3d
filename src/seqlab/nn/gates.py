"""Activations of recurrent cells that saturate: gates, and states that are a tanh.

Legend: B sequences, T steps, N tokens of all of them, E inputs, H units.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from seqlab.data.sequences import length_mask
from seqlab.nn.cells import Weights

GATE_ENDS, TANH_ENDS = (0.1, 0.9), (-0.9, 0.9)
"""Below the first and above the second number an activation counts as saturated. Of gates: Karpathy, Johnson
and Fei-Fei (2016); of a tanh the same distance from the ends of its range, relative to its slope at 0."""

_GATES: Mapping[str, Sequence[tuple[str, int]]] = {
    "gru-reset-before": (("reset", 0), ("update", 1)),
    "gru": (("reset", 0), ("update", 1)),
    "lstm": (("input", 0), ("forget", 1), ("output", 3)),
}
"""Sigmoid gates of cells of `CELLS`, with the index of the block of each in the weights."""
_TANH_STATES = ("elman", "elman-concat")
"""Cells whose state is a tanh."""


@dataclass(frozen=True)
class BoundedActivation:
    """Activations within an interval, at whose ends their derivative vanishes.

    name: e.g. "reset gate". values: of every unit at every token. ends: where saturation begins, see
    `GATE_ENDS`.
    """

    name: str
    values: Float[Tensor, "N H"]
    ends: tuple[float, float]

    def named(self, suffix: str) -> BoundedActivation:
        """The same, of the direction whose parameters have this suffix."""
        return replace(self, name=self.name + suffix.replace("_", ", "))

    @property
    def saturated(self) -> tuple[float, float]:
        """The shares of values below the first and above the second of `ends`."""
        low, high = self.ends
        return (self.values < low).double().mean().item(), (self.values > high).double().mean().item()


class TokensRead(NamedTuple):
    """Of every token of several sequences its input, the output h of the step before, and that of its own."""

    x: Float[Tensor, "N E"]
    before: Float[Tensor, "N H"]
    after: Float[Tensor, "N H"]


def tokens_read(
    x: Float[Tensor, "B T E"],
    after: Float[Tensor, "B T H"],
    initial: Float[Tensor, "B H"],
    lengths: Int[Tensor, " B"],
    *,
    reverse: bool,
) -> TokensRead:
    """What one layer in one direction read, without padding.

    Args:
        x: inputs.
        after: outputs.
        initial: the output before the first step.
        lengths: tokens of each sequence.
        reverse: whether each sequence is read from its last token to its first.
    """
    mask = length_mask(lengths, x.shape[1])
    first = initial.unsqueeze(1)
    before = torch.cat([after[:, 1:], first] if reverse else [first, after[:, :-1]], dim=1)
    if reverse:
        rows = lengths.nonzero().squeeze(1)
        before[rows, lengths[rows] - 1] = initial[rows]
    return TokensRead(x[mask], before[mask], after[mask])


def bounded_activations(cell: str, weights: Weights, read: TokensRead) -> list[BoundedActivation]:
    """What saturates in a cell, by its equations from what it read.

    Args:
        cell: a key of `CELLS`; of another one it is not known what saturates.
        weights: of the cell.
        read: its inputs and outputs.
    """
    x, before, after = read
    if cell in _TANH_STATES:
        return [BoundedActivation("state", after, TANH_ENDS)]
    H = before.shape[1]
    found: list[BoundedActivation] = []
    for name, index in _GATES.get(cell, ()):
        block = slice(index * H, (index + 1) * H)
        w, u, b = weights.weight_ih[block], weights.weight_hh[block], weights.bias_ih[block]
        second = None if weights.bias_hh is None else weights.bias_hh[block]
        values = torch.sigmoid(functional.linear(x, w, b) + functional.linear(before, u, second))
        found.append(BoundedActivation(f"{name} gate", values, GATE_ENDS))
    return found
