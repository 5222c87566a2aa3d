"""Linear maps through every matmul backend, compared with float64. Legend: E inputs, H outputs."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from seqlab.nn import linear_map as module
from seqlab.nn.linear_map import LinearMaps, bind_matmul, linear_map
from seqlab.nn.matmul import MATMULS, NATIVE, TORCH, Matmul, usable

backends = pytest.mark.parametrize(
    "matmul",
    [
        pytest.param(each, id=name, marks=pytest.mark.skipif(not usable(each), reason=f"no {name} here"))
        for name, each in MATMULS.items()
    ],
)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float32)


@backends
@pytest.mark.parametrize("shape", [(7, 13), (3, 5, 13), (2, 3, 2, 13)])
@pytest.mark.parametrize("biased", [True, False])
def test_outputs_and_gradients(
    matmul: Matmul, shape: tuple[int, ...], biased: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LEAST_OPERATIONS", 0)
    ours = [random(*shape), random(37, 13, seed=1), *([random(37, seed=2)] if biased else [])]
    exact = [tensor.double().requires_grad_() for tensor in ours]
    ours = [tensor.requires_grad_() for tensor in ours]
    upstream = random(*shape[:-1], 37, seed=3)
    expected = functional.linear(exact[0], exact[1], exact[2] if biased else None)
    found = linear_map(ours[0], ours[1], ours[2] if biased else None, matmul)
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)
    gradients = torch.autograd.grad(found, ours, upstream)
    for one, other in zip(gradients, torch.autograd.grad(expected, exact, upstream.double()), strict=True):
        torch.testing.assert_close(one.double(), other, rtol=1e-5, atol=1e-5)


def counting(calls: list[str]) -> Matmul:
    def named(name: str, product: object) -> object:
        def call(*tensors: Tensor | None) -> Tensor:
            calls.append(name)
            return product(*tensors)  # type: ignore[operator]

        return call

    parts = {name: named(name, getattr(TORCH, name)) for name in ("forward", "inputs", "weights")}
    return Matmul("counting", **parts)  # type: ignore[arg-type]


def test_a_backend_computes_large_maps_in_training_only() -> None:
    calls: list[str] = []
    layer = LinearMaps()
    bind_matmul(nn.Sequential(layer), counting(calls))
    weight = random(256, 256).requires_grad_()
    large, small = random(128, 256), random(2, 256)
    layer.map(large.requires_grad_(), weight, None).sum().backward()
    assert calls == ["forward", "inputs", "weights"]
    layer.map(small, weight, None).sum().backward()
    layer.map(large.double(), weight.double(), None).sum().backward()
    layer.eval().map(large, weight, None).sum().backward()
    assert len(calls) == 3


def test_gradients_that_nobody_needs_are_not_computed() -> None:
    calls: list[str] = []
    linear_map(random(128, 256), random(256, 256).requires_grad_(), None, counting(calls)).sum().backward()
    assert calls == ["forward", "weights"]


@pytest.mark.skipif(not usable(NATIVE), reason="no native library here")
def test_a_gradient_with_any_strides(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sum's gradient has strides of 0, a transposed one those of columns."""
    monkeypatch.setattr(module, "LEAST_OPERATIONS", 0)
    x, weight = random(6, 5), random(4, 5)
    for reduce in (lambda y: y.sum(), lambda y: (y.t() @ random(6, 3)).sum()):
        found, expected = weight.clone().requires_grad_(), weight.clone().requires_grad_()
        reduce(linear_map(x, found, None, NATIVE)).backward()
        reduce(functional.linear(x, expected)).backward()
        torch.testing.assert_close(found.grad, expected.grad)
