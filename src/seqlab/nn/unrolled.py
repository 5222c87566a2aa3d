"""Layers over time whose backward pass is written out, for cells that torch has no fast function of.

Autograd over a loop, torch's own RNN and GRU on a CPU among it, keeps a graph of every step and adds up the
recurrent weights' gradient step by step. Here a step works in place and leaves only what its backward
needs, and all weight gradients are one product over all steps.

Legend: B rows, T steps, E inputs, H units, G gates; W, U the input's and the state's weights, x~ = W x + b.
A name with d before it is a gradient. Equations: see `seqlab.nn.cells`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from seqlab.nn.cells import States, Weights
from seqlab.nn.padding import last_token

_BACK = torch.ops.aten


class Unrolled(ABC):
    """A cell step by step."""

    @abstractmethod
    def forward(self, a: Tensor, kept: Tensor, y: Tensor, *, h: Tensor, u: Tensor, b: Tensor | None) -> None:
        """One step.

        Args:
            a: x~ (B, GH), replaced by the gates.
            kept: room for one more vector a row (B, H) that `back` needs.
            y: where the new state goes (B, H).
            h: the state before (B, H).
            u: recurrent weights (GH, H).
            b: their bias (GH,).
        """

    @abstractmethod
    def back(
        self, da: Tensor, dkept: Tensor, dh: Tensor, *, a: Tensor, kept: Tensor, h: Tensor, u: Tensor
    ) -> Tensor:
        """One step back.

        Args:
            da: where the gradient of x~ goes.
            dkept: where that of `kept` goes, if `weights` needs it.
            dh: that of the new state; may be overwritten.
            a: what `forward` left there.
            kept: what it kept.
            h: the state before.
            u: recurrent weights.

        Returns:
            The gradient of the state before.
        """

    @abstractmethod
    def weights(self, da: Tensor, dkept: Tensor, kept: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """Gradients of U (GH, H) and of its bias (GH,), over all T * B steps, one a row."""


class Elman(Unrolled):
    """h' = f(x~ + U h + b).

    Args:
        activate: f, in place.
        deactivate: from the gradient of f's value, and that value, to the gradient of its argument.
    """

    def __init__(self, activate: Callable[[Tensor], Tensor], deactivate: Callable[[Tensor, Tensor], Tensor]):
        self._activate, self._deactivate = activate, deactivate

    def forward(self, a: Tensor, kept: Tensor, y: Tensor, *, h: Tensor, u: Tensor, b: Tensor | None) -> None:
        """See `Unrolled.forward`."""
        assert b is not None, "it has two biases"
        y.copy_(self._activate(a.add_(b).addmm_(h, u.t())))

    def back(
        self, da: Tensor, dkept: Tensor, dh: Tensor, *, a: Tensor, kept: Tensor, h: Tensor, u: Tensor
    ) -> Tensor:
        """See `Unrolled.back`."""
        return da.copy_(self._deactivate(dh, a)) @ u

    def weights(self, da: Tensor, dkept: Tensor, kept: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """See `Unrolled.weights`."""
        return da.t() @ h, da.sum(0)


class GruBefore(Unrolled):
    """r, z = s(x~ + U h);  n = tanh(x~_n + U_n (r * h));  h' = h + z * (n - h). Kept: r * h."""

    def forward(self, a: Tensor, kept: Tensor, y: Tensor, *, h: Tensor, u: Tensor, b: Tensor | None) -> None:
        """See `Unrolled.forward`."""
        H = h.shape[1]
        r, z = a[:, : 2 * H].addmm_(h, u[: 2 * H].t()).sigmoid_().chunk(2, dim=1)
        torch.mul(r, h, out=kept)
        n = a[:, 2 * H :].addmm_(kept, u[2 * H :].t()).tanh_()
        torch.lerp(h, n, z, out=y)

    def back(
        self, da: Tensor, dkept: Tensor, dh: Tensor, *, a: Tensor, kept: Tensor, h: Tensor, u: Tensor
    ) -> Tensor:
        """See `Unrolled.back`."""
        H = h.shape[1]
        r, z, n = a.chunk(3, dim=1)
        da_r, da_z, da_n = da.chunk(3, dim=1)
        da_n.copy_(_BACK.tanh_backward(dh * z, n))
        da_z.copy_(_BACK.sigmoid_backward(dh * (n - h), z))
        drh = da_n @ u[2 * H :]
        da_r.copy_(_BACK.sigmoid_backward(drh * h, r))
        direct = torch.addcmul(dh, dh, z, value=-1).addcmul_(drh, r)
        return direct.addmm_(da[:, : 2 * H], u[: 2 * H])

    def weights(self, da: Tensor, dkept: Tensor, kept: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """See `Unrolled.weights`."""
        H = h.shape[1]
        return torch.cat([da[:, : 2 * H].t() @ h, da[:, 2 * H :].t() @ kept]), da.sum(0)


class GruAfter(Unrolled):
    """r, z = s(x~ + U h + b);  n = tanh(x~_n + r * v), v = U_n h + b_n;  h' = n + z * (h - n). Kept: v."""

    def forward(self, a: Tensor, kept: Tensor, y: Tensor, *, h: Tensor, u: Tensor, b: Tensor | None) -> None:
        """See `Unrolled.forward`."""
        H = h.shape[1]
        recurrent = functional.linear(h, u, b)
        r, z = a[:, : 2 * H].add_(recurrent[:, : 2 * H]).sigmoid_().chunk(2, dim=1)
        kept.copy_(recurrent[:, 2 * H :])
        n = a[:, 2 * H :].addcmul_(r, kept).tanh_()
        torch.lerp(n, h, z, out=y)

    def back(
        self, da: Tensor, dkept: Tensor, dh: Tensor, *, a: Tensor, kept: Tensor, h: Tensor, u: Tensor
    ) -> Tensor:
        """See `Unrolled.back`."""
        H = h.shape[1]
        r, z, n = a.chunk(3, dim=1)
        da_r, da_z, da_n = da.chunk(3, dim=1)
        direct = dh * z
        da_n.copy_(_BACK.tanh_backward(dh - direct, n))
        da_z.copy_(_BACK.sigmoid_backward(dh * (h - n), z))
        da_r.copy_(_BACK.sigmoid_backward(da_n * kept, r))
        torch.mul(da_n, r, out=dkept)
        return direct.addmm_(da[:, : 2 * H], u[: 2 * H]).addmm_(dkept, u[2 * H :])

    def weights(self, da: Tensor, dkept: Tensor, kept: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """See `Unrolled.weights`."""
        H = h.shape[1]
        gates = da[:, : 2 * H]
        return torch.cat([gates.t() @ h, dkept.t() @ h]), torch.cat([gates.sum(0), dkept.sum(0)])


def relu_backward(gradient: Tensor, value: Tensor) -> Tensor:
    """Zero where the value is."""
    return _BACK.threshold_backward(gradient, value, 0)


def unrolled_scan(
    cell: Unrolled, x: Float[Tensor, "B T E"], lengths: Tensor | None, state: States, weights: Weights
) -> tuple[Float[Tensor, "B T H"], States]:
    """A layer in one direction; see `seqlab.nn.scan` for what goes in and out."""
    y = _Scan.apply(cell, x.transpose(0, 1).contiguous(), state[0], *weights)
    assert isinstance(y, Tensor)
    y = y.transpose(0, 1)
    return y, (y[:, -1] if lengths is None else last_token(y, lengths, state[0]),)


class _Scan(torch.autograd.Function):
    """Time-major: x (T, B, E) and the first state (B, H) to outputs (T, B, H)."""

    @staticmethod
    def forward(ctx: Any, cell: Unrolled, x: Tensor, h0: Tensor, *weights: Tensor | None) -> Tensor:
        weight_ih, weight_hh, bias_ih, bias_hh = weights
        assert weight_ih is not None
        assert weight_hh is not None
        a = functional.linear(x, weight_ih, bias_ih)
        y, kept = a.new_empty(len(x), *h0.shape), a.new_empty(len(x), *h0.shape)
        h = h0
        for t in range(len(x)):
            cell.forward(a[t], kept[t], y[t], h=h, u=weight_hh, b=bias_hh)
            h = y[t]
        ctx.cell = cell
        ctx.save_for_backward(x, h0, weight_ih, weight_hh, a, kept, y)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore
        x, h0, weight_ih, weight_hh, a, kept, y = ctx.saved_tensors
        before = torch.cat([h0.unsqueeze(0), y[:-1]])
        da, dkept, dh = torch.empty_like(a), torch.empty_like(kept), torch.zeros_like(h0)
        for t in reversed(range(len(x))):
            left = {"a": a[t], "kept": kept[t], "h": before[t], "u": weight_hh}
            dh = ctx.cell.back(da[t], dkept[t], dh.add_(upstream[0][t]), **left)
        da, dkept, kept, before = (tensor.flatten(0, 1) for tensor in (da, dkept, kept, before))
        dweight_hh, dbias_hh = ctx.cell.weights(da, dkept, kept, before)
        dx = (da @ weight_ih).view_as(x) if ctx.needs_input_grad[1] else None
        dbias_hh = dbias_hh if ctx.needs_input_grad[6] else None
        return None, dx, dh, da.t() @ x.flatten(0, 1), dweight_hh, da.sum(0), dbias_hh
