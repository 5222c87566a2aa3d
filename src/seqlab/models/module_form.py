"""What a module reads and what its outputs are, by their shapes. Legend: B sequences, T steps, E features."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from seqlab.data.sequences import Padded


@dataclass(frozen=True)
class Form:
    """What a module reads.

    tokens: ids, else features. size: number of ids, or E; 0 for one number (B, T).
    source: number of ids of the source, or of its features; None without one.
    """

    tokens: bool
    size: int
    source: int | None = None
    source_features: bool = False

    def draw(self, rows: int, steps: int, random: torch.Generator, without: int | None = None) -> Tensor:
        """Random token ids (B, T), none of them `without`, or random features (B, T, E)."""
        if not self.tokens:
            shape = (rows, steps, self.size) if self.size else (rows, steps)
            return torch.randn(shape, generator=random, dtype=torch.float64)
        return _ids(self.size, rows, steps, random, without)

    def draw_source(self, rows: int, steps: int, random: torch.Generator, without: int | None) -> Padded:
        """Random sources of full length."""
        assert self.source is not None, "the module reads a source"
        lengths = torch.full((rows,), steps)
        if self.source_features:
            return Padded(
                torch.randn(rows, steps, self.source, generator=random, dtype=torch.float64), lengths
            )
        return Padded(_ids(self.source, rows, steps, random, without), lengths)


def meaning(shape: tuple[int, ...], B: int, T: int, *, batch_first: bool) -> tuple[bool, int, int] | None:
    """Whether outputs are for each step, their number V, and the steps without one; None: it cannot be."""
    for missing in (0, 1):
        first = (B, T - missing) if batch_first else (T - missing, B)
        if shape[:2] == first and len(shape) in (2, 3):
            return True, shape[2] if len(shape) == 3 else 1, missing
    match shape:
        case (rows, outputs) if rows == B * T:
            return True, outputs, 0
        case (rows, outputs, steps) if batch_first and (rows, steps) == (B, T):
            return True, outputs, 0
        case (rows, outputs) | (rows, 1, outputs) if rows == B:
            return False, outputs, 0
        case (rows,) if rows == B:
            return False, 1, 0
        case _:
            return None


def _ids(vocabulary: int, rows: int, steps: int, random: torch.Generator, without: int | None) -> Tensor:
    if without is None or not 0 <= without < vocabulary or vocabulary < 3:
        return torch.randint(max(1, vocabulary), (rows, steps), generator=random)
    tokens = torch.randint(vocabulary - 1, (rows, steps), generator=random)
    return tokens + (tokens >= without)
