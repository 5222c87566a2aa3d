"""A layer over time with its backward pass written out, for a cell that torch has no function of.

Autograd over a loop keeps a graph of every step and adds up the recurrent weights' gradient step by step.
Here a step works in place and leaves only what its backward needs, and all weight gradients are one
product over all steps.

Legend: B rows, T steps, E inputs, H units; a_t are pre-activations, d before a name its gradient.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from seqlab.nn.cells import States, Weights
from seqlab.nn.padding import last_token

_BACK = torch.ops.aten


def gru_reset_before_scan(
    x: Float[Tensor, "B T E"], lengths: Tensor | None, state: States, weights: Weights
) -> tuple[Float[Tensor, "B T H"], States]:
    """The cell `gru_reset_before`, differentiable once; see `seqlab.nn.scan` for what goes in and out."""
    y = _GruResetBefore.apply(
        x.transpose(0, 1).contiguous(), state[0], weights.weight_ih, weights.weight_hh, weights.bias_ih
    )
    assert isinstance(y, Tensor)
    y = y.transpose(0, 1)
    return y, (y[:, -1] if lengths is None else last_token(y, lengths, state[0]),)


class _GruResetBefore(torch.autograd.Function):
    """Time-major: x (T, B, E) and the first state (B, H) to outputs (T, B, H)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, h0: Tensor, *weights: Tensor) -> Tensor:
        weight_ih, weight_hh, bias = weights
        H = h0.shape[1]
        gates = functional.linear(x, weight_ih, bias)
        outputs, reset = gates.new_empty(len(x), *h0.shape), gates.new_empty(len(x), *h0.shape)
        to_gates, to_new = weight_hh[: 2 * H].t(), weight_hh[2 * H :].t()
        h = h0
        for a, rh, y in zip(gates, reset, outputs, strict=True):
            r, z = a[:, : 2 * H].addmm_(h, to_gates).sigmoid_().chunk(2, dim=1)
            torch.mul(r, h, out=rh)
            n = a[:, 2 * H :].addmm_(rh, to_new).tanh_()
            h = torch.lerp(h, n, z, out=y)
        ctx.save_for_backward(x, h0, weight_ih, weight_hh, gates, reset, outputs)
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore
        x, h0, weight_ih, weight_hh, gates, reset, outputs = ctx.saved_tensors
        H = h0.shape[1]
        before = torch.cat([h0.unsqueeze(0), outputs[:-1]])
        da, dh = torch.empty_like(gates), torch.zeros_like(h0)
        for t in reversed(range(len(x))):
            dh = _back(dh + upstream[0][t], before[t], gates[t], da[t], weight_hh)
        da, before, reset = (tensor.flatten(0, 1) for tensor in (da, before, reset))
        dweight_hh = torch.cat([da[:, : 2 * H].t() @ before, da[:, 2 * H :].t() @ reset])
        dx = (da @ weight_ih).view_as(x) if ctx.needs_input_grad[0] else None
        return dx, dh, da.t() @ x.flatten(0, 1), dweight_hh, da.sum(0)


def _back(
    dh: Float[Tensor, "B H"],
    h: Float[Tensor, "B H"],
    gates: Float[Tensor, "B GH"],
    da: Float[Tensor, "B GH"],
    weight_hh: Float[Tensor, "GH H"],
) -> Float[Tensor, "B H"]:
    """One step back: writes the pre-activations' gradient into `da`, returns that of the state before.

    h' = h + z (n - h) with n = tanh(a_n), a_n = ... + U_n (r h).
    """
    H = h.shape[1]
    r, z, n = gates.chunk(3, dim=1)
    da_r, da_z, da_n = da.chunk(3, dim=1)
    da_n.copy_(_BACK.tanh_backward(dh * z, n))
    da_z.copy_(_BACK.sigmoid_backward(dh * (n - h), z))
    drh = da_n @ weight_hh[2 * H :]
    da_r.copy_(_BACK.sigmoid_backward(drh * h, r))
    direct = torch.addcmul(dh, dh, z, value=-1).addcmul_(drh, r)
    return direct.addmm_(da[:, : 2 * H], weight_hh[: 2 * H])
