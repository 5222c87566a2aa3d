"""Matrix products of a large output layer: torch's own, or oneDNN's where torch's are slow.

torch multiplies float32 matrices with MKL, which takes slower code on some processors; the oneDNN inside
torch does not. It is reached through a private operator, so it is looked for, checked, and never required.
Legend: N rows, K inputs, M outputs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Products:
    """The three products of a linear layer and its gradients.

    forward: x (N, K), w (M, K), bias (M,) or None -> x wᵀ + bias. inputs: g (N, M), w (M, K) -> g w.
    weights: g (N, M), x (N, K) -> gᵀ x.
    """

    name: str
    forward: Callable[[Tensor, Tensor, Tensor | None], Tensor]
    inputs: Callable[[Tensor, Tensor], Tensor]
    weights: Callable[[Tensor, Tensor], Tensor]


TORCH = Products("torch", functional.linear, torch.mm, lambda g, x: torch.mm(g.t(), x))


def _onednn(x: Float[Tensor, "N K"], w: Float[Tensor, "M K"], bias: Tensor | None) -> Float[Tensor, "N M"]:
    if not x.numel():
        return functional.linear(x, w, bias)
    operator: Any = torch.ops.mkldnn._linear_pointwise
    return operator(x, w, bias, "none", [], "")


ONEDNN = Products(
    "onednn", _onednn, lambda g, w: _onednn(g, w.t(), None), lambda g, x: _onednn(g.t(), x.t(), None)
)
PRODUCTS: Mapping[str, Products] = {products.name: products for products in (TORCH, ONEDNN)}
_TRIED = (256, 384, 4096)
"""N, K, M of the trial: large enough for rates like those of a real output layer, done in milliseconds."""
_ROUNDS = 7
_BETTER = 0.95
"""Share of torch's time that oneDNN must stay under: a smaller gain may be the machine's noise."""


def usable(products: Products) -> bool:
    """Whether the products exist here and agree with float64 on sizes that are no multiple of a vector."""
    random = torch.Generator().manual_seed(0)
    x, w, g = (torch.randn(shape, generator=random) for shape in ((7, 13), (37, 13), (7, 37)))
    bias = torch.randn(37, generator=random)
    try:
        found = (products.forward(x, w, bias), products.inputs(g, w), products.weights(g, x))
    except (AttributeError, RuntimeError, NotImplementedError):
        return False
    exact = (functional.linear(x.double(), w.double(), bias.double()), g.double() @ w.double())
    exact = (*exact, g.double().t() @ x.double())
    return all(torch.allclose(f.double(), e, rtol=1e-5, atol=1e-5) for f, e in zip(found, exact, strict=True))


def named(name: str) -> Products:
    """Products by name: one way for all three, or three ways for forward, inputs and weights.

    >>> named("onednn+torch+torch").name, named("torch") is TORCH
    ('onednn+torch+torch', True)
    """
    if name in PRODUCTS:
        return PRODUCTS[name]
    forward, inputs, weights = (PRODUCTS[part] for part in name.split("+"))
    return Products(name, forward.forward, inputs.inputs, weights.weights)


def fastest() -> Products:
    """The fastest way of each product on this machine with the threads set now; in doubt, torch's."""
    if not usable(ONEDNN):
        return TORCH
    N, K, M = _TRIED
    x, w, g = torch.ones(N, K), torch.ones(M, K), torch.ones(N, M)
    return named(
        "+".join(
            (
                _faster(lambda products: products.forward(x, w, None)),
                _faster(lambda products: products.inputs(g, w)),
                _faster(lambda products: products.weights(g, x)),
            )
        )
    )


def _faster(product: Callable[[Products], Tensor]) -> str:
    """The name of the faster way, tried in turns."""
    seconds: dict[str, list[float]] = {name: [] for name in PRODUCTS}
    for _ in range(_ROUNDS):
        for name, products in PRODUCTS.items():
            begin = time.perf_counter()
            product(products)
            seconds[name].append(time.perf_counter() - begin)
    # The least time of each: what else runs on the machine can only add to it.
    return ONEDNN.name if min(seconds[ONEDNN.name]) < _BETTER * min(seconds[TORCH.name]) else TORCH.name
