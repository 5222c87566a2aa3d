"""What a model sees at once. Legend: B rows of the batch, T time steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Rows of tokens, padded behind their last token to the longest.

    Padding is known by `lengths` alone, never by an id: whatever stands in the padding changes
    nothing. Targets have one entry a row, an id (classification) or a number (regression), or one a token
    (language modelling).
    """

    tokens: Int[Tensor, "B T"]
    lengths: Int[Tensor, " B"]
    targets: Int[Tensor, " B"] | Float[Tensor, " B"] | Int[Tensor, "B T"]

    @property
    def mask(self) -> Bool[Tensor, "B T"]:
        """True where a real token stands."""
        return length_mask(self.lengths, self.tokens.shape[1])

    @property
    def target_mask(self) -> Bool[Tensor, " B"] | Bool[Tensor, "B T"]:
        """True where a target counts: every row, or every real token."""
        if self.targets.dim() == 1:
            return torch.ones_like(self.targets, dtype=torch.bool)
        return self.mask

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device."""
        if self.tokens.device == device:
            return self
        return Batch(self.tokens.to(device), self.lengths.to(device), self.targets.to(device))

    def select(self, rows: Int[Tensor, " R"]) -> Batch:
        """Only the named rows, cut to the longest of them."""
        lengths = self.lengths[rows]
        longest = int(lengths.max()) if len(rows) else 0
        targets = self.targets[rows]
        return Batch(
            self.tokens[rows, :longest], lengths, targets[:, :longest] if targets.dim() == 2 else targets
        )


def windows(
    tokens: NDArray[np.integer], begins: NDArray[np.int64], lengths: NDArray[np.int64], start: int
) -> Batch:
    """Windows of a running text: each token is the target of the one before it.

    Args:
        tokens: the whole text.
        begins: place of each row's first target.
        lengths: targets of each row.
        start: the token before the text's first one.

    >>> batch = windows(np.arange(1, 6), np.array([0, 3]), np.array([3, 2]), start=0)
    >>> batch.tokens.tolist(), batch.targets.tolist()
    ([[0, 1, 2], [3, 4, 4]], [[1, 2, 3], [4, 5, 5]])
    """
    places = np.minimum(begins[:, None] + np.arange(int(lengths.max())), len(tokens) - 1)
    targets = tokens[places].astype(np.int64)
    inputs = np.where(places > 0, tokens[places - 1], start).astype(np.int64)
    return Batch(torch.from_numpy(inputs), torch.from_numpy(lengths), torch.from_numpy(targets))


def length_mask(lengths: Int[Tensor, " B"], longest: int) -> Bool[Tensor, "B T"]:
    """True at the first `lengths[b]` places of row b."""
    return torch.arange(longest, device=lengths.device) < lengths.unsqueeze(1)
