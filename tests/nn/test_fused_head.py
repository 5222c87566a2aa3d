"""The fused loss compared with the plain one in float64: value, every gradient, shapes, invalid input."""

from __future__ import annotations

import jaxtyping
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from seqlab.nn import fused_head, matmul
from seqlab.nn.fused_head import linear_cross_entropy
from seqlab.nn.matmul import NATIVE, ONEDNN, TORCH, Matmul
from seqlab.nn.native import builds
from seqlab.schema.errors import UserError

BACKENDS = [
    TORCH,
    pytest.param(
        ONEDNN, marks=pytest.mark.skipif(not matmul.usable(ONEDNN), reason="oneDNN is not available")
    ),
    pytest.param(
        NATIVE, marks=pytest.mark.skipif(not matmul.usable(NATIVE), reason="the library is not available")
    ),
]
Values = tuple[torch.Tensor, ...]


def values(N: int, H: int, V: int, *, seed: int = 0, scale: float = 1.0) -> tuple[Values, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    shapes = ((N, H), (V, H), (V,))
    tensors = tuple(torch.randn(shape, generator=random) * scale for shape in shapes)
    return tensors, torch.randint(V, (N,), generator=random)


def both(
    given: Values, targets: torch.Tensor, smoothing: float, backend: Matmul, factor: float = 1.0
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Loss and gradients: fused in float32, plain in float64."""
    ours = [tensor.clone().requires_grad_() for tensor in given]
    loss = linear_cross_entropy(ours[0], ours[1], ours[2], targets, label_smoothing=smoothing, matmul=backend)
    (loss * factor).backward()
    exact = [tensor.double().requires_grad_() for tensor in given]
    plain = functional.cross_entropy(
        functional.linear(*exact), targets, reduction="sum", label_smoothing=smoothing
    )
    (plain * factor).backward()
    return [loss.detach(), *(t.grad for t in ours)], [plain.detach(), *(t.grad for t in exact)]  # pyright: ignore


def agree(actual: list[torch.Tensor], exact: list[torch.Tensor], tolerance: float = 2e-6) -> None:
    for result, correct in zip(actual, exact, strict=True):
        assert result.dtype == torch.float32
        assert (result.double() - correct).norm() <= tolerance * correct.norm() + 1e-12


@pytest.mark.parametrize("kernels", builds.available_builds())
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("sizes", [(1, 1, 2), (5, 3, 2), (33, 17, 1001), (70, 65, 4099)])
def test_loss_and_gradients(
    sizes: tuple[int, int, int], smoothing: float, backend: Matmul, kernels: str
) -> None:
    if backend is NATIVE and kernels == "reference":
        return
    with builds.use_build(kernels):
        agree(*both(*values(*sizes), smoothing, backend))
        agree(*both(*values(*sizes), smoothing, backend, factor=1 / 7))


@given(
    N=st.integers(0, 20),
    H=st.integers(1, 9),
    V=st.integers(1, 70),
    seed=st.integers(0, 99),
    few=st.booleans(),
)
def test_any_shape_and_repeated_targets(N: int, H: int, V: int, seed: int, few: bool) -> None:
    tensors, targets = values(N, H, V, seed=seed)
    actual, exact = both(tensors, targets % 2 % V if few else targets, 0.2, TORCH)
    for result, correct in zip(actual, exact, strict=True):
        assert torch.allclose(result.double(), correct, rtol=1e-5, atol=1e-5)


def test_in_several_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    tensors, targets = values(23, 1500, 101)  # a smaller layer would be one call of the library
    whole, _ = both(tensors, targets, 0.1, TORCH)
    monkeypatch.setattr(fused_head, "MOST_LOGITS", 400)
    parts, exact = both(tensors, targets, 0.1, TORCH)
    agree(parts, exact)
    agree(parts, [tensor.double() for tensor in whole])


def test_extreme_logits_stay_exact() -> None:
    """Probabilities that underflow have finite losses: the loss is not the logarithm of a probability."""
    agree(*both(*values(40, 8, 30, scale=40.0), 0.0, TORCH), tolerance=2e-5)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_features_that_are_not_finite_reach_the_loss(bad: float) -> None:
    (x, weight, bias), targets = values(4, 3, 5)
    x[2, 1] = bad
    assert not linear_cross_entropy(x, weight.requires_grad_(), bias, targets).isfinite()


TARGETS = {
    "out of range": torch.tensor([5, 0]),
    # Slices of longer tensors, so that memory after them may be read.
    "too few": torch.tensor([1, 0, 0, 0])[:1],
    "int32": torch.zeros(8, dtype=torch.int32)[:2],
}


@pytest.mark.parametrize("wrong", TARGETS)
def test_invalid_targets_are_refused(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    (x, weight, bias), _ = values(2, 3, 5)
    with pytest.raises(UserError, match=r"Got"):
        linear_cross_entropy(x, weight, bias, TARGETS[wrong])


def test_tied_weights_and_tensors_that_need_no_gradient() -> None:
    (x, weight, bias), targets = values(6, 4, 9)
    ids = torch.tensor([0, 3, 3, 8, 1, 0])
    table, exact = weight.clone().requires_grad_(), weight.double().requires_grad_()
    linear_cross_entropy(functional.embedding(ids, table), table, None, targets).backward()
    functional.cross_entropy(
        functional.embedding(ids, exact) @ exact.t(), targets, reduction="sum"
    ).backward()
    assert table.grad is not None
    assert exact.grad is not None
    assert torch.allclose(table.grad.double(), exact.grad, rtol=1e-5, atol=1e-6)
    linear_cross_entropy(x, weight, bias.requires_grad_(), targets).backward()
    assert x.grad is None
    assert weight.grad is None
    assert bias.grad is not None


def test_features_that_are_not_contiguous() -> None:
    (x, weight, bias), targets = values(8, 6, 10)
    wide = torch.cat([x, x], dim=1)[:, ::2].requires_grad_()
    assert not wide.is_contiguous()
    wide.retain_grad()
    loss = linear_cross_entropy(wide, weight, bias, targets)
    assert loss.item() == pytest.approx(
        functional.cross_entropy(functional.linear(wide, weight, bias), targets, reduction="sum").item()
    )


def test_one_backward_pass_and_no_second_derivative() -> None:
    (x, weight, bias), targets = values(4, 3, 5)
    loss = linear_cross_entropy(x.requires_grad_(), weight, bias, targets)
    with pytest.raises(RuntimeError, match=r"first derivatives only.*functional\.cross_entropy"):
        torch.autograd.grad(loss, x, create_graph=True)
    loss = linear_cross_entropy(x, weight, bias, targets)
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="one backward pass"):
        loss.backward()


def test_a_backend_that_is_wrong_or_missing_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = Matmul("wrong", lambda x, w, b: TORCH.forward(x, w, b) + 1e-3, TORCH.inputs, TORCH.weights)
    assert matmul.usable(TORCH)
    assert not matmul.usable(wrong)

    def missing(*_: object) -> torch.Tensor:
        raise AttributeError("no such operator")

    onednn = Matmul("onednn", missing, missing, missing)
    monkeypatch.setattr(matmul, "MATMULS", {"torch": TORCH, "onednn": onednn})
    assert matmul.fastest() is TORCH


@pytest.mark.parametrize(("slow", "faster"), [("torch", "onednn"), ("onednn", "torch")])
def test_the_fastest_backend_is_chosen_for_each_product(
    monkeypatch: pytest.MonkeyPatch, slow: str, faster: str
) -> None:
    """With a clock that the products themselves advance."""
    now = [0.0]

    def timed(name: str) -> Matmul:
        def advance(seconds: float) -> torch.Tensor:
            now[0] += seconds
            return torch.empty(0)

        forward, inputs = (2.0, 1.0) if name == slow else (1.0, 2.0)
        return Matmul(name, lambda *_: advance(forward), lambda *_: advance(inputs), lambda *_: advance(1.0))

    backends = {name: timed(name) for name in ("torch", "onednn")}
    monkeypatch.setattr(matmul, "MATMULS", backends)
    monkeypatch.setattr(matmul, "TORCH", backends["torch"])
    monkeypatch.setattr(matmul, "usable", lambda _: True)
    monkeypatch.setattr(matmul.time, "perf_counter", lambda: now[0])
    assert matmul.fastest().name == f"{faster}+{slow}+torch", "where both are equal, torch's"
