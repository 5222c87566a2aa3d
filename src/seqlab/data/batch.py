"""What a model sees at once. Legend: B rows of the batch, T time steps."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Rows of tokens, padded behind their last token to the longest.

    Padding is known by `lengths` alone, never by an id: whatever stands in the padding changes
    nothing. Targets have one entry a row (classification) or one a token (language modelling).
    """

    tokens: Int[Tensor, "B T"]
    lengths: Int[Tensor, " B"]
    targets: Int[Tensor, " B"] | Int[Tensor, "B T"]

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


def length_mask(lengths: Int[Tensor, " B"], longest: int) -> Bool[Tensor, "B T"]:
    """True at the first `lengths[b]` places of row b."""
    return torch.arange(longest, device=lengths.device) < lengths.unsqueeze(1)
