"""Sequences of unequal lengths, padded at their ends. Legend: B batch size, T steps, H features."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqlab.data.sequences import length_mask


def zero_padding(x: Float[Tensor, "B T H"], lengths: Int[Tensor, " B"]) -> Float[Tensor, "B T H"]:
    """The same values with zeros at padding, even where it was NaN."""
    return torch.where(length_mask(lengths, x.shape[1]).unsqueeze(2), x, 0.0)


def last_token(
    x: Float[Tensor, "B T H"], lengths: Int[Tensor, " B"], empty: Float[Tensor, "B H"]
) -> Float[Tensor, "B H"]:
    """The value at each sequence's last token; that of `empty` for length 0."""
    positions = (lengths - 1).clamp(min=0).view(-1, 1, 1).expand(-1, 1, x.shape[2])
    return torch.where(lengths.unsqueeze(1) > 0, x.gather(1, positions).squeeze(1), empty)


def last_steps(
    x: Float[Tensor, "B T H"], lengths: Int[Tensor, " B"], steps: int
) -> tuple[Float[Tensor, "B S H"], Int[Tensor, " B"]]:
    """The last steps of each sequence, at most `steps`, and their numbers.

    >>> x = torch.tensor([[1.0, 2.0, 3.0], [4.0, 0.0, 0.0]]).unsqueeze(2)
    >>> last, lengths = last_steps(x, torch.tensor([3, 1]), 2)
    >>> last.squeeze(2).tolist(), lengths.tolist()
    ([[2.0, 3.0], [4.0, 0.0]], [2, 1])
    """
    B, T, H = x.shape
    if steps >= T:
        return x, lengths
    skipped = (lengths - steps).clamp(min=0)
    positions = torch.arange(steps, device=x.device) + (
        skipped + T * torch.arange(B, device=x.device)
    ).unsqueeze(1)
    return x.reshape(B * T, H).index_select(0, positions.flatten()).view(B, steps, H), lengths - skipped


def flip_rows(x: Float[Tensor, "B T H"], lengths: Int[Tensor, " B"]) -> Float[Tensor, "B T H"]:
    """Each sequence's tokens in reverse order; padding stays at the end."""
    B, T, _ = x.shape
    steps = torch.arange(T, device=x.device)
    positions = torch.where(length_mask(lengths, T), lengths.unsqueeze(1) - 1 - steps, steps)
    positions = positions + T * torch.arange(B, device=x.device).unsqueeze(1)
    # One index per token: the gradient then adds rows of H numbers, several times faster than that of
    # `gather`.
    return x.reshape(B * T, -1).index_select(0, positions.flatten()).view(x.shape)
