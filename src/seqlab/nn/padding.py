"""Rows of unequal lengths, padded at their ends. Legend: B rows, T steps, H features."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqlab.data.sequences import length_mask


def zero_padding(x: Float[Tensor, "B T H"], lengths: Int[Tensor, " B"]) -> Float[Tensor, "B T H"]:
    """The same values, with zeros behind each row's length, whatever stood there."""
    return torch.where(length_mask(lengths, x.shape[1]).unsqueeze(2), x, 0.0)


def last_token(
    x: Float[Tensor, "B T H"], lengths: Int[Tensor, " B"], empty: Float[Tensor, "B H"]
) -> Float[Tensor, "B H"]:
    """The value at each row's last token; rows of length 0 take theirs from `empty`."""
    places = (lengths - 1).clamp(min=0).view(-1, 1, 1).expand(-1, 1, x.shape[2])
    return torch.where(lengths.unsqueeze(1) > 0, x.gather(1, places).squeeze(1), empty)


def flip_rows(x: Float[Tensor, "B T H"], lengths: Int[Tensor, " B"]) -> Float[Tensor, "B T H"]:
    """Each row's tokens in reverse order; padding stays where it is."""
    B, T, _ = x.shape
    steps = torch.arange(T, device=x.device)
    places = torch.where(length_mask(lengths, T), lengths.unsqueeze(1) - 1 - steps, steps)
    places = places + T * torch.arange(B, device=x.device).unsqueeze(1)
    # One index a token: the gradient adds whole rows of H, several times faster than `gather`'s.
    return x.reshape(B * T, -1).index_select(0, places.flatten()).view(x.shape)
