"""Linear maps of many vectors through the fastest matrix products. Legend: E inputs, H outputs."""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from seqlab.nn.matmul import TORCH, Matmul

LEAST_OPERATIONS = 1 << 24
"""Smaller products take less time than the calls around them, so torch computes them."""


class LinearMaps(nn.Module):
    """A layer whose linear maps are computed by a matmul backend in training, in evaluation by torch.

    `bind_matmul` sets the backend.
    """

    def __init__(self) -> None:
        super().__init__()
        self.matmul = TORCH

    def map(
        self, x: Float[Tensor, "*N E"], weight: Float[Tensor, "H E"], bias: Float[Tensor, " H"] | None
    ) -> Float[Tensor, "*N H"]:
        """Return weight x + bias."""
        return linear_map(x, weight, bias, self.matmul if self.training else TORCH)


def bind_matmul(model: nn.Module, matmul: Matmul) -> None:
    """Make all `LinearMaps` of a model compute with one backend."""
    for module in model.modules():
        if isinstance(module, LinearMaps):
            module.matmul = matmul


def linear_map(
    x: Float[Tensor, "*N E"],
    weight: Float[Tensor, "H E"],
    bias: Float[Tensor, " H"] | None,
    matmul: Matmul,
) -> Float[Tensor, "*N H"]:
    """Return weight x + bias, computed like its gradients by the products of a backend.

    Small maps, and those of other types than float32, are torch's.

    Raises:
        RuntimeError: the gradient is itself to be differentiated, where the backend is not torch.
    """
    operations = 2 * math.prod(x.shape[:-1]) * weight.numel()
    if matmul is TORCH or operations < LEAST_OPERATIONS or x.dtype != torch.float32:
        return functional.linear(x, weight, bias)
    y = _LinearMap.apply(x.flatten(0, -2), weight, bias, matmul)
    assert isinstance(y, Tensor)
    return y.view(*x.shape[:-1], -1)


class _LinearMap(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, matmul: Matmul) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.matmul = matmul
        return matmul.forward(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore
        (x, weight), g, needed = ctx.saved_tensors, upstream[0], ctx.needs_input_grad
        dx = ctx.matmul.inputs(g, weight) if needed[0] else None
        dweight = ctx.matmul.weights(g, x) if needed[1] else None
        return dx, dweight, g.sum(0) if needed[2] else None, None
