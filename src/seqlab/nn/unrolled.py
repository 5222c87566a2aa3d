"""A layer over time with an explicit backward pass, for a cell that torch has no function for.

Autograd over a loop keeps a graph of every step, and accumulates the recurrent weights' gradient step by
step. Here a step works in place and saves only what its backward needs, and each weight's gradient is one
product over all steps.

Legend: B batch size, T steps, E inputs, H units; a_t are pre-activations; dx is the gradient of x.
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

# The derivatives that autograd itself uses, in terms of the outputs of tanh and the logistic function.
_ATEN = torch.ops.aten


def gru_reset_before_scan(
    x: Float[Tensor, "B T E"], lengths: Tensor | None, state: States, weights: Weights
) -> tuple[Float[Tensor, "B T H"], States]:
    """The cell `gru_reset_before`, differentiable once; for inputs and outputs see `seqlab.nn.scan`."""
    y = _GruResetBefore.apply(
        x.transpose(0, 1).contiguous(), state[0], weights.weight_ih, weights.weight_hh, weights.bias_ih
    )
    assert isinstance(y, Tensor)
    y = y.transpose(0, 1)
    return y, (y[:, -1] if lengths is None else last_token(y, lengths, state[0]),)


class _GruResetBefore(torch.autograd.Function):
    """Time-major: x (T, B, E) and the initial state (B, H) to outputs (T, B, H)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, h0: Tensor, *weights: Tensor) -> Tensor:
        weight_ih, weight_hh, bias = weights
        H = h0.shape[1]
        gates = functional.linear(x, weight_ih, bias)
        outputs, reset = gates.new_empty(len(x), *h0.shape), gates.new_empty(len(x), *h0.shape)
        to_gates, to_new = weight_hh[: 2 * H].t(), weight_hh[2 * H :].t()
        h = h0
        for a, rh, y in zip(gates, reset, outputs, strict=True):
            # In place: `gates` holds W x + b before a step, and the activated gates, for backward, after it.
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
        previous = torch.cat([h0.unsqueeze(0), outputs[:-1]])
        da, dh = torch.empty_like(gates), torch.zeros_like(h0)
        for t in reversed(range(len(x))):
            dh = _step_back(dh + upstream[0][t], previous[t], gates[t], da[t], weight_hh)
        da, previous, reset = (tensor.flatten(0, 1) for tensor in (da, previous, reset))
        # U_r and U_z multiplied h, U_n multiplied r * h.
        dweight_hh = torch.cat([da[:, : 2 * H].t() @ previous, da[:, 2 * H :].t() @ reset])
        dx = (da @ weight_ih).view_as(x) if ctx.needs_input_grad[0] else None
        return dx, dh, da.t() @ x.flatten(0, 1), dweight_hh, da.sum(0)


def _step_back(
    dh: Float[Tensor, "B H"],
    h: Float[Tensor, "B H"],
    gates: Float[Tensor, "B GH"],
    da: Float[Tensor, "B GH"],
    weight_hh: Float[Tensor, "GH H"],
) -> Float[Tensor, "B H"]:
    """One backward step: writes the pre-activations' gradient to `da`, returns that of the previous state h.

    dh is the gradient of h' = h + z (n - h), with n = tanh(a_n), a_n = ... + U_n (r h).
    """
    H = h.shape[1]
    r, z, n = gates.chunk(3, dim=1)
    da_r, da_z, da_n = da.chunk(3, dim=1)
    da_n.copy_(_ATEN.tanh_backward(dh * z, n))
    da_z.copy_(_ATEN.sigmoid_backward(dh * (n - h), z))
    drh = da_n @ weight_hh[2 * H :]
    da_r.copy_(_ATEN.sigmoid_backward(drh * h, r))
    # The paths that bypass U_r and U_z: (1 - z) h, and h in r h.
    direct = torch.addcmul(dh, dh, z, value=-1).addcmul_(drh, r)
    return direct.addmm_(da[:, : 2 * H], weight_hh[: 2 * H])
