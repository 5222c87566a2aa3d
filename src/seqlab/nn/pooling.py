"""Pooling over time: y = pool over t of ReLU(W x_t + b), or of x_t without a linear map.

Legend: B batch size, T steps, E inputs, H features (E without a linear map). Padding affects neither the
value nor the gradient; a sequence of length 0 is pooled to 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from seqlab.data.sequences import length_mask
from seqlab.nn import initial
from seqlab.nn.layer import Pooling
from seqlab.nn.layer_inputs import check_inputs, ragged_lengths
from seqlab.nn.linear_max import linear_max_over_time
from seqlab.nn.padding import last_token, zero_padding
from seqlab.nn.sizes import check_sizes
from seqlab.schema.errors import UserError

KIND = "pooling"


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


def last_of_both_directions(
    x: Float[Tensor, "B T E"], linear: nn.Linear | None, lengths: Int[Tensor, " B"]
) -> Float[Tensor, "B H"]:
    """The value that each direction reads last: at the last token, and of the second half at the first."""
    _check(x, linear, lengths)
    if not x.shape[1]:
        return mean_over_time(x, linear, lengths)
    forward, backward = x.chunk(2, dim=2)
    last = last_token(forward, lengths, forward.new_zeros(x.shape[0], forward.shape[2]))
    both = torch.cat([last, _empty_zero(backward[:, 0], lengths)], dim=1)
    return _empty_zero(_mapped(both, linear), lengths)


class AttentionPooling(nn.Module):
    """y = sum over t of a_t x_t, a = softmax over t < length of v . tanh(W x_t + b).

    Source: Yang et al. 2016, whose context vector is v. The weights of a sequence add up to 1.

    Args:
        size: E.
        hidden_size: rows of W.
        generator: source of the weights, of W, b and v in this order.

    Raises:
        UserError: a size is less than 1.
    """

    def __init__(self, size: int, hidden_size: int, *, generator: torch.Generator):
        super().__init__()
        self.linear = initial.linear(size, hidden_size, generator=generator)
        bound = 1 / math.sqrt(hidden_size)
        self.context = nn.Parameter(torch.empty(hidden_size).uniform_(-bound, bound, generator=generator))

    def forward(
        self, x: Float[Tensor, "B T E"], linear: nn.Linear | None, lengths: Int[Tensor, " B"]
    ) -> Float[Tensor, "B H"]:
        """The weighted mean of each feature."""
        _check(x, linear, lengths)
        mapped = zero_padding(_mapped(zero_padding(x, lengths), linear), lengths)
        scores = torch.tanh(self.linear(mapped)) @ self.context
        padding = ~length_mask(lengths, x.shape[1])
        # The least finite number, not -inf, of which the softmax of a sequence of length 0 would be NaN.
        weights = scores.masked_fill(padding, torch.finfo(scores.dtype).min).softmax(1)
        return torch.einsum("bt,bth->bh", weights, mapped)


class FlattenedWindow(nn.Module):
    """The features of the last steps of a fixed window, one step after the other, with zeros in front.

    A sequence ends at the window's end, so the features of its last step are always the last ones. Unless
    the result is to be `whole`, the steps in which no sequence of a batch has begun are left out: they are
    zeros in front, which `trailing_linear` skips.

    Args:
        steps: N, of the window. Sequences have at most so many.
        size: E.
        whole: whether the steps that no sequence of a batch has are zeros of the result, too.

    Raises:
        UserError: a size is less than 1, or a sequence is longer.
    """

    def __init__(self, steps: int, size: int, *, whole: bool):
        super().__init__()
        check_sizes({"steps": steps, "size": size})
        self.steps, self.size, self._whole = steps, size, whole

    @property
    def output_size(self) -> int:
        """N E, the features of a whole window."""
        return self.steps * self.size

    def forward(
        self, x: Float[Tensor, "B T E"], linear: nn.Linear | None, lengths: Int[Tensor, " B"]
    ) -> Float[Tensor, "B K"]:
        """The window of each sequence as one vector."""
        _check(x, linear, lengths)
        B, T = x.shape[:2]
        longest = int(lengths.max()) if B else 0
        if longest > self.steps:
            raise UserError(
                f"A window of {self.steps} steps must not be shorter than a sequence. "
                f"Got {longest} steps. Nearest: the last {self.steps} of them."
            )
        clean = zero_padding(_mapped(x if linear is None else zero_padding(x, lengths), linear), lengths)
        steps = torch.arange(longest, device=x.device) - (longest - lengths).unsqueeze(1)
        # Row 0 is one of zeros, for the steps before a sequence begins.
        rows = functional.pad(clean.reshape(B * T, -1), (0, 0, 1, 0))
        first = 1 + T * torch.arange(B, device=x.device).unsqueeze(1)
        index = torch.where(steps >= 0, first + steps, 0)
        flat = rows.index_select(0, index.flatten()).view(B, -1)
        return functional.pad(flat, (self.output_size - flat.shape[1], 0)) if self._whole else flat

    def extra_repr(self) -> str:
        """The number of steps, as `print(model)` shows it."""
        return f"steps={self.steps}"


def trailing_linear(x: Float[Tensor, "B K"], linear: nn.Linear) -> Float[Tensor, "B H"]:
    """W x + b of inputs that may lack their first features, which then are zeros."""
    return functional.linear(x, linear.weight[:, linear.in_features - x.shape[1] :], linear.bias)


def _check(x: Tensor, linear: nn.Linear | None, lengths: Tensor) -> None:
    check_inputs(x, None if linear is None else linear.weight, KIND)
    ragged_lengths(lengths, x, KIND)


def _mapped(x: Float[Tensor, "*N E"], linear: nn.Linear | None) -> Float[Tensor, "*N H"]:
    return x if linear is None else torch.relu(linear(x))


def _empty_zero(pooled: Float[Tensor, "B H"], lengths: Int[Tensor, " B"]) -> Float[Tensor, "B H"]:
    return pooled.masked_fill(lengths.unsqueeze(1) == 0, 0.0)


POOLINGS: Mapping[str, Pooling] = {"max": max_over_time, "mean": mean_over_time, "last": last_over_time}
"""Kinds of pooling without weights or sizes, by name."""
BAGS: Mapping[Pooling, str] = {max_over_time: "max", mean_over_time: "mean"}
"""Poolings of which the order of the tokens makes no difference, with their names in `embedding_bag`."""


def pooling_over_time(name: str, *, bidirectional: bool = False) -> Pooling:
    """The pooling of `POOLINGS` with a name; `last` of two directions is what each of them read last."""
    return last_of_both_directions if name == "last" and bidirectional else POOLINGS[name]
