"""One vector a row out of one a token: y = pool over t of ReLU(W x_t + b).

Legend: B rows, T steps, E inputs, H features. Padding takes no part, neither in the value nor in the
gradient; a row of length 0 pools to 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqlab.nn.linear_max import linear_max_over_time
from seqlab.nn.padding import last_token, zero_padding

Pooling = Callable[[Tensor, nn.Linear, Tensor], Tensor]


def max_over_time(
    x: Float[Tensor, "B T E"], linear: nn.Linear, lengths: Int[Tensor, " B"]
) -> Float[Tensor, "B H"]:
    """The greatest value of each feature; its first place gets the whole gradient."""
    # ReLU keeps the order of numbers, so the maximum may be taken before it.
    return torch.relu(linear_max_over_time(x, linear.weight, linear.bias, lengths))


def mean_over_time(
    x: Float[Tensor, "B T E"], linear: nn.Linear, lengths: Int[Tensor, " B"]
) -> Float[Tensor, "B H"]:
    """The sum over a row's tokens, divided by their number."""
    return zero_padding(torch.relu(linear(x)), lengths).sum(1) / lengths.clamp(min=1).unsqueeze(1)


def last_over_time(
    x: Float[Tensor, "B T E"], linear: nn.Linear, lengths: Int[Tensor, " B"]
) -> Float[Tensor, "B H"]:
    """The value at a row's last token."""
    last = torch.relu(linear(last_token(x, lengths, x.new_zeros(x.shape[0], x.shape[2]))))
    return last.masked_fill(lengths.unsqueeze(1) == 0, 0.0)


POOLINGS: Mapping[str, Pooling] = {"max": max_over_time, "mean": mean_over_time, "last": last_over_time}
