"""Backends for large matrix products in training: torch, oneDNN or the native library.

torch multiplies float32 matrices with MKL, which uses slower code on some processors; the oneDNN inside torch
does not. It is reached through a private operator that may disappear, so it is tested before use and never
required; the same holds for the native library.

Legend: N rows, K inputs, M outputs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from seqlab.nn.native.builds import active_library
from seqlab.nn.native.output import multiply


@dataclass(frozen=True)
class Matmul:
    """The three products of a linear layer y = x wᵀ + bias and its gradients; g is the gradient of y.

    forward: x (N, K), w (M, K), bias (M,) or None -> y (N, M).
    inputs: g (N, M), w (M, K) -> g w, the gradient of x.
    weights: g (N, M), x (N, K) -> gᵀ x, the gradient of w.
    """

    name: str
    forward: Callable[[Tensor, Tensor, Tensor | None], Tensor]
    inputs: Callable[[Tensor, Tensor], Tensor]
    weights: Callable[[Tensor, Tensor], Tensor]


TORCH = Matmul("torch", functional.linear, torch.mm, lambda g, x: torch.mm(g.t(), x))


def _onednn(x: Float[Tensor, "N K"], w: Float[Tensor, "M K"], bias: Tensor | None) -> Float[Tensor, "N M"]:
    # oneDNN fails on some empty tensors.
    if not x.numel():
        return functional.linear(x, w, bias)
    operator: Any = torch.ops.mkldnn._linear_pointwise
    return operator(x, w, bias, "none", [], "")


ONEDNN = Matmul(
    "onednn", _onednn, lambda g, w: _onednn(g, w.t(), None), lambda g, x: _onednn(g.t(), x.t(), None)
)


def _native(
    a: Float[Tensor, "N K"], b: Float[Tensor, "K M"], bias: Tensor | None = None
) -> Float[Tensor, "N M"]:
    if a.dtype != torch.float32 or a.device.type != "cpu":
        return a @ b if bias is None else torch.addmm(bias, a, b)
    library = active_library()
    if library is None:
        raise NotImplementedError("the native library is not available")
    return multiply(library, a, b, bias)


NATIVE = Matmul("native", lambda x, w, bias: _native(x, w.t(), bias), _native, lambda g, x: _native(g.t(), x))
MATMULS: Mapping[str, Matmul] = {matmul.name: matmul for matmul in (TORCH, ONEDNN, NATIVE)}
_SIZES = (256, 384, 4096)
"""N, K, M of the measurement: as fast per operation as a real output layer, and finished within a second."""
_ROUNDS = 15
_LARGEST_RATIO = 0.95
"""Another backend must take less than this fraction of torch's time: a smaller gain may be noise."""


def usable(matmul: Matmul) -> bool:
    """Whether the products are available and agree with float64, on sizes that do not fill whole vectors."""
    random = torch.Generator().manual_seed(0)
    x, w, g = (
        torch.randn(shape, generator=random, dtype=torch.float32) for shape in ((7, 13), (37, 13), (7, 37))
    )
    bias = torch.randn(37, generator=random, dtype=torch.float32)
    try:
        results = (matmul.forward(x, w, bias), matmul.inputs(g, w), matmul.weights(g, x))
    except (AttributeError, RuntimeError, NotImplementedError):
        return False
    x, w, g, bias = (tensor.double() for tensor in (x, w, g, bias))
    exact = (functional.linear(x, w, bias), g @ w, g.t() @ x)
    return all(
        torch.allclose(result.double(), correct, rtol=1e-5, atol=1e-5)
        for result, correct in zip(results, exact, strict=True)
    )


def named(name: str) -> Matmul:
    """Products by name: one backend for all three, or three backends for forward, inputs and weights.

    >>> named("onednn+torch+torch").name, named("torch") is TORCH
    ('onednn+torch+torch', True)
    """
    if name in MATMULS:
        return MATMULS[name]
    forward, inputs, weights = (MATMULS[part] for part in name.split("+"))
    return Matmul(name, forward.forward, inputs.inputs, weights.weights)


def fastest() -> Matmul:
    """The fastest backend for each product on this machine, with the current number of threads."""
    backends = [matmul for matmul in MATMULS.values() if matmul.name == TORCH.name or usable(matmul)]
    N, K, M = _SIZES
    x, w, g = torch.ones(N, K), torch.ones(M, K), torch.ones(N, M)
    chosen = (
        _fastest(backends, lambda matmul: matmul.forward(x, w, None)),
        _fastest(backends, lambda matmul: matmul.inputs(g, w)),
        _fastest(backends, lambda matmul: matmul.weights(g, x)),
    )
    return named(chosen[0] if len(set(chosen)) == 1 else "+".join(chosen))


def _fastest(backends: Sequence[Matmul], product: Callable[[Matmul], Tensor]) -> str:
    """The name of the fastest backend; torch's unless another is clearly faster."""
    seconds: dict[str, list[float]] = {matmul.name: [] for matmul in backends}
    # In turns, so that a change of the machine's load or clock rate affects all backends.
    for _ in range(_ROUNDS):
        for matmul in backends:
            begin = time.perf_counter()
            product(matmul)
            seconds[matmul.name].append(time.perf_counter() - begin)
    # The minimum of each: other processes can only add to it.
    shortest = {name: min(times) for name, times in seconds.items()}
    best = min(shortest, key=lambda name: shortest[name])
    return best if shortest[best] < _LARGEST_RATIO * shortest[TORCH.name] else TORCH.name
