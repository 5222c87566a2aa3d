"""A linear map of every token and the maximum over time, as one operation.

Legend: B rows, T steps, E inputs, H features.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
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
    """y[b, h] = max over t of weight[h] x[b, t] + bias[h], over the row's own tokens; 0 for a row of none.

    Only the token that has the maximum gets a gradient, the first one of several. So the backward pass
    goes through B * H tokens' vectors, where that of the two operations one by one is two products over
    all tokens and features, of which all but one in T numbers are zero.
    """
    y = _LinearMax.apply(x, weight, bias, lengths)
    assert isinstance(y, Tensor)
    return y


class _LinearMax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, lengths: Tensor) -> Tensor:
        z = functional.linear(x, weight, bias)
        if bool((lengths < x.shape[1]).any()):
            z.masked_fill_(~length_mask(lengths, x.shape[1]).unsqueeze(2), -torch.inf)
        values, places = z.max(1)
        empty = (lengths == 0).unsqueeze(1)
        # Places among all tokens of the batch, row behind row.
        places += x.shape[1] * torch.arange(len(x), device=x.device).unsqueeze(1)
        ctx.save_for_backward(x, weight, places, empty)
        return values.masked_fill_(empty, 0.0)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore
        x, weight, places, empty = ctx.saved_tensors
        g = upstream[0].masked_fill(empty, 0.0)
        dx = dweight = None
        if ctx.needs_input_grad[0]:
            spread = (g.unsqueeze(2) * weight).flatten(0, 1)
            dx = torch.zeros_like(x).flatten(0, 1).index_add_(0, places.flatten(), spread).view_as(x)
        if ctx.needs_input_grad[1]:
            chosen = x.flatten(0, 1)[places]
            dweight = torch.einsum("bh,bhe->he", g, chosen)
        return dx, dweight, g.sum(0), None
