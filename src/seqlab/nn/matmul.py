"""Matrix products of a large output layer: torch's own, oneDNN's or the native library's.

torch multiplies float32 matrices with MKL, which takes slower code on some processors; the oneDNN inside
torch does not. It is reached through a private operator, so it is looked for, checked, and never required;
so is the library.
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

from seqlab.nn.native.builds import library
from seqlab.nn.native.output import multiply


@dataclass(frozen=True)
class Matmul:
    """The three products of a linear layer and its gradients.

    forward: x (N, K), w (M, K), bias (M,) or None -> x wᵀ + bias. inputs: g (N, M), w (M, K) -> g w.
    weights: g (N, M), x (N, K) -> gᵀ x.
    """

    name: str
    forward: Callable[[Tensor, Tensor, Tensor | None], Tensor]
    inputs: Callable[[Tensor, Tensor], Tensor]
    weights: Callable[[Tensor, Tensor], Tensor]


TORCH = Matmul("torch", functional.linear, torch.mm, lambda g, x: torch.mm(g.t(), x))


def _onednn(x: Float[Tensor, "N K"], w: Float[Tensor, "M K"], bias: Tensor | None) -> Float[Tensor, "N M"]:
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
    used = library()
    if used is None:
        raise NotImplementedError("the native library is not here")
    return multiply(used, a, b, bias)


NATIVE = Matmul("native", lambda x, w, bias: _native(x, w.t(), bias), _native, lambda g, x: _native(g.t(), x))
MATMULS: Mapping[str, Matmul] = {matmul.name: matmul for matmul in (TORCH, ONEDNN, NATIVE)}
_TRIED = (256, 384, 4096)
"""N, K, M of the trial: large enough for rates like those of a real output layer, done in a second."""
_ROUNDS = 15
_BETTER = 0.95
"""Share of torch's time that another way must stay under: a smaller gain may be the machine's noise."""


def usable(matmul: Matmul) -> bool:
    """Whether the products exist here and agree with float64 on sizes that are no multiple of a vector."""
    random = torch.Generator().manual_seed(0)
    x, w, g = (
        torch.randn(shape, generator=random, dtype=torch.float32) for shape in ((7, 13), (37, 13), (7, 37))
    )
    bias = torch.randn(37, generator=random, dtype=torch.float32)
    try:
        found = (matmul.forward(x, w, bias), matmul.inputs(g, w), matmul.weights(g, x))
    except (AttributeError, RuntimeError, NotImplementedError):
        return False
    exact = (functional.linear(x.double(), w.double(), bias.double()), g.double() @ w.double())
    exact = (*exact, g.double().t() @ x.double())
    return all(torch.allclose(f.double(), e, rtol=1e-5, atol=1e-5) for f, e in zip(found, exact, strict=True))


def named(name: str) -> Matmul:
    """Products by name: one way for all three, or three ways for forward, inputs and weights.

    >>> named("onednn+torch+torch").name, named("torch") is TORCH
    ('onednn+torch+torch', True)
    """
    if name in MATMULS:
        return MATMULS[name]
    forward, inputs, weights = (MATMULS[part] for part in name.split("+"))
    return Matmul(name, forward.forward, inputs.inputs, weights.weights)


def fastest() -> Matmul:
    """The fastest way of each product on this machine with the threads set now; in doubt, torch's."""
    ways = [matmul for matmul in MATMULS.values() if matmul.name == TORCH.name or usable(matmul)]
    N, K, M = _TRIED
    x, w, g = torch.ones(N, K), torch.ones(M, K), torch.ones(N, M)
    chosen = (
        _fastest(ways, lambda matmul: matmul.forward(x, w, None)),
        _fastest(ways, lambda matmul: matmul.inputs(g, w)),
        _fastest(ways, lambda matmul: matmul.weights(g, x)),
    )
    return named(chosen[0] if len(set(chosen)) == 1 else "+".join(chosen))


def _fastest(ways: Sequence[Matmul], product: Callable[[Matmul], Tensor]) -> str:
    """The name of the fastest way, tried in turns."""
    seconds: dict[str, list[float]] = {way.name: [] for way in ways}
    for _ in range(_ROUNDS):
        for way in ways:
            begin = time.perf_counter()
            product(way)
            seconds[way.name].append(time.perf_counter() - begin)
    # The least time of each: what else runs on the machine can only add to it.
    least = {name: min(times) for name, times in seconds.items()}
    best = min(least, key=lambda name: least[name])
    return best if least[best] < _BETTER * least[TORCH.name] else TORCH.name
