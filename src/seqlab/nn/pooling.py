"""One vector a row out of one a token. Legend: B rows, T steps, H features.

Padding takes no part, neither in the value nor in the gradient; a row of length 0 pools to 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqlab.nn.padding import last_token, length_mask, zero_padding

Pooling = Callable[[Tensor, Tensor], Tensor]


def max_over_time(x: Float[Tensor, "B T H"], lengths: Int[Tensor, " B"]) -> Float[Tensor, "B H"]:
    """The greatest value of each feature; its first place gets the whole gradient."""
    padding = ~length_mask(lengths, x.shape[1]).unsqueeze(2)
    places = x.detach().masked_fill(padding, -torch.inf).max(1, keepdim=True).indices
    return x.gather(1, places).squeeze(1).masked_fill(lengths.unsqueeze(1) == 0, 0.0)


def mean_over_time(x: Float[Tensor, "B T H"], lengths: Int[Tensor, " B"]) -> Float[Tensor, "B H"]:
    """The sum over a row's tokens, divided by their number."""
    return zero_padding(x, lengths).sum(1) / lengths.clamp(min=1).unsqueeze(1)


def last_over_time(x: Float[Tensor, "B T H"], lengths: Int[Tensor, " B"]) -> Float[Tensor, "B H"]:
    """The value at a row's last token."""
    return last_token(x, lengths, x.new_zeros(x.shape[0], x.shape[2]))


POOLINGS: Mapping[str, Pooling] = {"max": max_over_time, "mean": mean_over_time, "last": last_over_time}
