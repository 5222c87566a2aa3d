"""A linear map of every token and the maximum over time, as one operation.

Legend: B batch size, T steps, E inputs, H features.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from seqlab.data.sequences import length_mask


def linear_max_over_time(
    x: Float[Tensor, "B T E"],
    weight: Float[Tensor, "H E"],
    bias: Float[Tensor, " H"],
    lengths: Int[Tensor, " B"],
) -> Float[Tensor, "B H"]:
    """y[b, h] = max over t < lengths[b] of weight[h] x[b, t] + bias[h]; 0 for a sequence of length 0.

    Only the token at the maximum gets a gradient, the first one of several. The backward pass therefore
    reads B * H token vectors. As two operations it would be two products over all tokens and features, in
    which all but one of T numbers are zero.

    Raises:
        RuntimeError: the gradient is itself to be differentiated.
    """
    y = _LinearMax.apply(x, weight, bias, lengths)
    assert isinstance(y, Tensor)
    return y


def max_of_steps(
    z: Float[Tensor, "B T H"], lengths: Int[Tensor, " B"]
) -> tuple[Float[Tensor, "B H"], Int[Tensor, "B H"], Bool[Tensor, "B 1"]]:
    """The maximum over each sequence's steps, the first step that has it, and which sequences are empty.

    `z` is overwritten at padding. The maximum of no steps is 0.
    """
    if bool((lengths < z.shape[1]).any()):
        z.masked_fill_(~length_mask(lengths, z.shape[1]).unsqueeze(2), -torch.inf)
    values, indices = z.max(1)
    # All of z is -inf for a sequence of length 0.
    empty = (lengths == 0).unsqueeze(1)
    return values.masked_fill_(empty, 0.0), indices, empty


class _LinearMax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, lengths: Tensor) -> Tensor:
        values, indices, empty = max_of_steps(functional.linear(x, weight, bias), lengths)
        # From the step within a sequence to the index among all B * T tokens.
        indices += x.shape[1] * torch.arange(len(x), device=x.device).unsqueeze(1)
        ctx.save_for_backward(x, weight, indices, empty)
        return values

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore
        x, weight, indices, empty = ctx.saved_tensors
        g = upstream[0].masked_fill(empty, 0.0)
        dx = dweight = None
        if ctx.needs_input_grad[0]:
            # (B * H, E). A token can be the maximum of several features, so the rows are added, not assigned.
            per_maximum = (g.unsqueeze(2) * weight).flatten(0, 1)
            dx = torch.zeros_like(x).flatten(0, 1).index_add_(0, indices.flatten(), per_maximum).view_as(x)
        if ctx.needs_input_grad[1]:
            # A sequence of length 0 has padding there, whose content must not reach the product.
            at_maximum = x.flatten(0, 1)[indices].masked_fill_(empty.unsqueeze(2), 0.0)
            dweight = torch.einsum("bh,bhe->he", g, at_maximum)
        return dx, dweight, g.sum(0), None
