"""One vector a row out of one a token: y = pool over t of ReLU(W x_t + b), or of x_t without a linear map.

Legend: B rows, T steps, E inputs, H features (E without a linear map). Padding takes no part, neither in the
value nor in the gradient; a row of length 0 pools to 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqlab.data.sequences import length_mask
from seqlab.nn.linear_max import linear_max_over_time
from seqlab.nn.padding import last_token, zero_padding

Pooling = Callable[[Tensor, nn.Linear | None, Tensor], Tensor]


def max_over_time(
    x: Float[Tensor, "B T E"], linear: nn.Linear | None, lengths: Int[Tensor, " B"]
) -> Float[Tensor, "B H"]:
    """The greatest value of each feature; its first place gets the whole gradient."""
    if linear is not None:
        # ReLU keeps the order of numbers, so the maximum may be taken before it.
        return torch.relu(linear_max_over_time(x, linear.weight, linear.bias, lengths))
    padding = ~length_mask(lengths, x.shape[1]).unsqueeze(2)
    return _empty_zero(x.masked_fill(padding, -math.inf).max(1).values, lengths)


def mean_over_time(
    x: Float[Tensor, "B T E"], linear: nn.Linear | None, lengths: Int[Tensor, " B"]
) -> Float[Tensor, "B H"]:
    """The sum over a row's tokens, divided by their number."""
    return zero_padding(_mapped(x, linear), lengths).sum(1) / lengths.clamp(min=1).unsqueeze(1)


def last_over_time(
    x: Float[Tensor, "B T E"], linear: nn.Linear | None, lengths: Int[Tensor, " B"]
) -> Float[Tensor, "B H"]:
    """The value at a row's last token."""
    last = last_token(x, lengths, x.new_zeros(x.shape[0], x.shape[2]))
    return _empty_zero(_mapped(last, linear), lengths)


def _mapped(x: Float[Tensor, "*N E"], linear: nn.Linear | None) -> Float[Tensor, "*N H"]:
    return x if linear is None else torch.relu(linear(x))


def _empty_zero(pooled: Float[Tensor, "B H"], lengths: Int[Tensor, " B"]) -> Float[Tensor, "B H"]:
    return pooled.masked_fill(lengths.unsqueeze(1) == 0, 0.0)


POOLINGS: Mapping[str, Pooling] = {"max": max_over_time, "mean": mean_over_time, "last": last_over_time}
"""The ways of pooling by name."""
