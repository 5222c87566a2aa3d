"""Several sequences of token ids: padded for a batch, one after the other in the cache.

Legend: B sequences, T steps, N tokens of all sequences together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor

from seqlab.data.ragged import Ragged


def length_mask(lengths: Int[Tensor, " B"], steps: int) -> Bool[Tensor, "B {steps}"]:
    """True at the first `lengths[b]` steps of sequence b."""
    return torch.arange(steps, device=lengths.device) < lengths.unsqueeze(1)


@dataclass(frozen=True)
class Padded:
    """Sequences padded at their ends to one length.

    Padding is known by `lengths` alone, never by an id: whatever the padding contains changes nothing. A
    module that is checked may read E features of each step in place of a token id.
    """

    tokens: Int[Tensor, "B T"] | Float[Tensor, "B T E"]
    lengths: Int[Tensor, " B"]

    def __len__(self) -> int:
        return self.tokens.shape[0]

    @property
    def steps(self) -> int:
        """T."""
        return self.tokens.shape[1]

    @property
    def mask(self) -> Bool[Tensor, "B T"]:
        """True at every real token."""
        return length_mask(self.lengths, self.steps)

    def to(self, device: torch.device) -> Padded:
        """The same sequences on another device."""
        return Padded(self.tokens.to(device), self.lengths.to(device))

    def select(self, rows: Int[Tensor, " R"]) -> Padded:
        """The named sequences, cut to the longest of them."""
        lengths = self.lengths[rows]
        longest = int(lengths.max()) if len(rows) else 0
        return Padded(self.tokens[rows, :longest], lengths)

    def truncate(self, steps: int) -> Padded:
        """The first steps of every sequence."""
        return Padded(self.tokens[:, :steps], self.lengths.clamp(max=steps))


def pad(text: Ragged, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Tokens (B, T) of the named sequences, zeros after the end of each, and their lengths (B,)."""
    lengths = text.offsets[rows + 1] - text.offsets[rows]
    steps = max(1, int(lengths.max(initial=0)))
    # Where one text is much longer than the others, nearly all is padding: nothing but the result and its
    # mask has its size.
    tokens = np.zeros((len(rows), steps), dtype=np.int64)
    tokens[np.arange(steps) < lengths[:, None]] = text.select(rows).tokens
    return tokens, lengths


def padded(text: Ragged, rows: NDArray[np.int64]) -> Padded:
    """The named sequences of a text, padded at their ends."""
    tokens, lengths = pad(text, rows)
    return Padded(torch.from_numpy(tokens), torch.from_numpy(lengths))
