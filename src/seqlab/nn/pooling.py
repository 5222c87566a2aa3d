"""Pooling over time: y = pool over t of ReLU(W x_t + b), or of x_t without a linear map.

Legend: B batch size, T steps, E inputs, H features (E without a linear map). Padding affects neither the
value nor the gradient; a sequence of length 0 is pooled to 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqlab.data.sequences import length_mask
from seqlab.nn.layer_inputs import check_inputs, ragged_lengths
from seqlab.nn.linear_max import linear_max_over_time
from seqlab.nn.padding import last_token, zero_padding

KIND = "pooling"
Pooling = Callable[[Tensor, nn.Linear | None, Tensor], Tensor]


def max_over_time(
    x: Float[Tensor, "B T E"], linear: nn.Linear | None, lengths: Int[Tensor, " B"]
) -> Float[Tensor, "B H"]:
    """The maximum of each feature; its first position gets the whole gradient."""
    _check(x, linear, lengths)
    if not x.shape[1]:
        return mean_over_time(x, linear, lengths)  # nothing, as every pooling of no tokens
    if linear is not None:
        # ReLU is monotonic, so the maximum may be taken before it.
        return torch.relu(linear_max_over_time(x, linear.weight, linear.bias, lengths))
    padding = ~length_mask(lengths, x.shape[1]).unsqueeze(2)
    return _empty_zero(x.masked_fill(padding, -math.inf).max(1).values, lengths)


def mean_over_time(
    x: Float[Tensor, "B T E"], linear: nn.Linear | None, lengths: Int[Tensor, " B"]
) -> Float[Tensor, "B H"]:
    """The mean over a sequence's tokens."""
    _check(x, linear, lengths)
    # Before the map, too: the gradient of its weights multiplies the content of padding by zero.
    mapped = _mapped(x if linear is None else zero_padding(x, lengths), linear)
    return zero_padding(mapped, lengths).sum(1) / lengths.clamp(min=1).unsqueeze(1)


def last_over_time(
    x: Float[Tensor, "B T E"], linear: nn.Linear | None, lengths: Int[Tensor, " B"]
) -> Float[Tensor, "B H"]:
    """The value at a sequence's last token."""
    _check(x, linear, lengths)
    if not x.shape[1]:
        return mean_over_time(x, linear, lengths)
    last = last_token(x, lengths, x.new_zeros(x.shape[0], x.shape[2]))
    return _empty_zero(_mapped(last, linear), lengths)


def _check(x: Tensor, linear: nn.Linear | None, lengths: Tensor) -> None:
    check_inputs(x, None if linear is None else linear.weight, KIND)
    ragged_lengths(lengths, x, KIND)


def _mapped(x: Float[Tensor, "*N E"], linear: nn.Linear | None) -> Float[Tensor, "*N H"]:
    return x if linear is None else torch.relu(linear(x))


def _empty_zero(pooled: Float[Tensor, "B H"], lengths: Int[Tensor, " B"]) -> Float[Tensor, "B H"]:
    return pooled.masked_fill(lengths.unsqueeze(1) == 0, 0.0)


POOLINGS: Mapping[str, Pooling] = {"max": max_over_time, "mean": mean_over_time, "last": last_over_time}
"""Kinds of pooling by name."""
