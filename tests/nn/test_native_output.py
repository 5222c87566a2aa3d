"""The library's products and losses of an output layer, compared with float64.

Legend: N targets, H features, V outputs.
"""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from native import threads
from torch import Tensor
from torch.nn import functional

from seqlab.nn.native.binding import Library
from seqlab.nn.native.output import cross_entropy_, head_fits, head_loss, multiplies_correctly, multiply
from seqlab.schema.errors import UserError


def random_tensor(*shape: int, seed: int = 0, scale: float = 1.0) -> Tensor:
    return scale * torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float32)


def both(
    library: Library, logits: Tensor, targets: Tensor, smoothing: float
) -> tuple[list[Tensor], list[Tensor]]:
    """Nats and the gradient: those of the library, and those in float64."""
    exact = logits.double().requires_grad_()
    nats = functional.cross_entropy(exact, targets, reduction="sum", label_smoothing=smoothing)
    (gradient,) = torch.autograd.grad(nats, exact)
    ours = logits.clone()
    actual = cross_entropy_(library, ours, targets, smoothing)
    return [actual, ours], [nats.detach(), gradient]


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("V", [1, 2, 3, 7, 8, 16, 17, 31, 33, 1001])
def test_loss_and_gradient(library: Library, V: int, smoothing: float) -> None:
    logits, targets = random_tensor(13, V, scale=3), torch.arange(13) * 7 % V
    for number in (1, 2, 3):
        with threads(number):
            (nats, gradient), (expected_nats, expected) = both(library, logits, targets, smoothing)
        assert nats.dtype == torch.float64
        assert nats.item() == pytest.approx(expected_nats.item(), rel=1e-6, abs=1e-6)
        assert (gradient.double() - expected).abs().max() <= 5e-7


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("extreme", [1e4, -1e4, 90.0, -90.0])
def test_extreme_logits(library: Library, extreme: float, smoothing: float) -> None:
    """One output far above or below all others; all of them extreme; all of them at increasing distances."""
    V = 19
    logits = random_tensor(4, V)
    logits[0, 5] = extreme
    logits[1] += extreme
    logits[2] = torch.linspace(-abs(extreme), abs(extreme), V)
    logits[3] = extreme
    for target in (5, 0, V - 1):
        (nats, gradient), (expected_nats, expected) = both(
            library, logits, torch.full((4,), target), smoothing
        )
        assert nats.item() == pytest.approx(expected_nats.item(), rel=1e-6)
        assert (gradient.double() - expected).abs().max() <= 1e-6
        assert gradient.isfinite().all()


@pytest.mark.parametrize("index", [0, 7, 16])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_logits_that_are_not_finite_reach_the_loss(library: Library, bad: float, index: int) -> None:
    logits = random_tensor(3, 17)
    logits[1, index] = bad
    nats = cross_entropy_(library, logits, torch.tensor([1, 2, 3]), 0.0)
    assert not nats.isfinite()
    assert not logits[1].isfinite().all()
    assert logits[[0, 2]].isfinite().all()


def test_no_targets(library: Library) -> None:
    assert cross_entropy_(library, torch.empty(0, 5), torch.empty(0, dtype=torch.int64), 0.1).item() == 0


Head = tuple[Tensor, Tensor, Tensor, Tensor]
"""Features, weight, bias, targets."""
ALL = (True, True, True)
"""All gradients are needed: those of features, weight and bias."""


def head(N: int, H: int, V: int, scale: float = 1.0) -> Head:
    features, weight = random_tensor(N, H, seed=1), random_tensor(V, H, seed=2, scale=scale)
    return features, weight, random_tensor(V, seed=3, scale=scale), torch.arange(N) * 7 % V


def exact_head(of: Head, smoothing: float) -> list[Tensor]:
    features, weight, bias = (tensor.double().requires_grad_() for tensor in of[:3])
    logits = functional.linear(features, weight, bias)
    nats = functional.cross_entropy(logits, of[3], reduction="sum", label_smoothing=smoothing)
    return [nats.detach(), *torch.autograd.grad(nats, [features, weight, bias])]


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize(
    "sizes",
    [(1, 1, 1), (5, 3, 2), (17, 16, 15), (96, 8, 33), (400, 33, 7), (701, 5, 64), (40, 70, 1001)],
    ids=str,
)
def test_small_heads(library: Library, sizes: tuple[int, int, int], smoothing: float) -> None:
    """Rows processed one per lane and the rest of them, in one block and in many."""
    of = head(*sizes)
    expected = exact_head(of, smoothing)
    for number in (1, 2, 3):
        with threads(number):
            nats, actual = head_loss(library, *of, smoothing, needed=ALL)
            same_nats, repeated = head_loss(library, *of, smoothing, needed=ALL)
        assert nats.dtype == torch.float64
        assert nats.item() == pytest.approx(expected[0].item(), rel=1e-6, abs=1e-6)
        assert torch.equal(nats, same_nats)
        for gradient, same, exact in zip(actual, repeated, expected[1:], strict=True):
            assert gradient is not None
            assert same is not None
            assert torch.equal(gradient, same)
            assert (gradient.double() - exact).abs().max() <= 2e-6 * max(1.0, exact.abs().max().item())


@settings(max_examples=30)
@given(
    N=st.integers(0, 200),
    H=st.integers(1, 40),
    V=st.integers(1, 40),
    number=st.sampled_from([1, 2]),
    biased=st.booleans(),
    wide=st.booleans(),
    needed=st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
def test_small_heads_of_any_shape(
    library: Library, *, N: int, H: int, V: int, number: int, biased: bool, wide: bool, needed
) -> None:
    features, weight, bias, targets = head(N, H, V)
    exact = exact_head((features, weight, bias if biased else torch.zeros(V), targets), 0.0)
    if wide:
        features = with_layout(features, 2)
    with threads(number):
        nats, actual = head_loss(
            library, features, weight, bias if biased else None, targets, 0.0, needed=needed
        )
    torch.testing.assert_close(nats, exact[0], rtol=1e-6, atol=1e-5)
    for gradient, need, expected in zip(actual, needed, exact[1:], strict=True):
        assert (gradient is not None) == need
        if gradient is not None:
            torch.testing.assert_close(gradient.double(), expected, rtol=1e-5, atol=2e-5)


def test_small_heads_with_extreme_logits(library: Library) -> None:
    of = head(40, 8, 30, scale=60.0)
    nats, gradients = head_loss(library, *of, 0.0, needed=ALL)
    expected = exact_head(of, 0.0)
    assert nats.item() == pytest.approx(expected[0].item(), rel=1e-5)
    for gradient, exact in zip(gradients, expected[1:], strict=True):
        assert gradient is not None
        assert (gradient.double() - exact).norm() <= 2e-5 * exact.norm()


@pytest.mark.parametrize("row", [3, 38])
def test_nan_in_the_features_of_small_heads_reaches_the_loss(library: Library, row: int) -> None:
    """In a row that is processed as a lane, and in one of the rest."""
    features, weight, bias, targets = head(39, 6, 9)
    features[row, 2] = float("nan")
    nats, (dfeatures, *_) = head_loss(library, features, weight, bias, targets, 0.0, needed=ALL)
    assert nats.isnan()
    assert dfeatures is not None
    assert dfeatures[row].isnan().all()
    assert torch.cat([dfeatures[:row], dfeatures[row + 1 :]]).isfinite().all()


def test_torchs_default_type_does_not_matter_to_small_heads(library: Library) -> None:
    of = head(20, 6, 9)
    expected = exact_head(of, 0.0)
    torch.set_default_dtype(torch.float64)
    try:
        _, gradients = head_loss(library, *of, 0.0, needed=ALL)
    finally:
        torch.set_default_dtype(torch.float32)
    for gradient, exact in zip(gradients, expected[1:], strict=True):
        assert gradient is not None
        assert gradient.dtype == torch.float32
        torch.testing.assert_close(gradient.double(), exact, rtol=1e-5, atol=2e-5)


def test_which_heads_are_small(library: Library) -> None:
    assert head_fits(library, torch.empty(1000, 128))
    assert not head_fits(library, torch.empty(10_000, 16))


def test_small_heads_refuse_targets_out_of_range(library: Library) -> None:
    """`test_fused_head` tests other shapes and types."""
    features, weight, bias, targets = head(4, 3, 5)
    with pytest.raises(UserError, match="within 0 to 4"):
        head_loss(library, features, weight, bias, targets + 2, 0.0, needed=ALL)


@settings(max_examples=40)
@given(
    M=st.integers(0, 50),
    N=st.integers(1, 50),
    K=st.integers(0, 50),
    left=st.integers(0, 2),
    right=st.integers(0, 2),
)
def test_products_of_any_shape_and_layout(
    library: Library, *, M: int, N: int, K: int, left: int, right: int
) -> None:
    a, b, bias = random_tensor(M, K, seed=1), random_tensor(K, N, seed=2), random_tensor(N, seed=3)
    expected = a.double() @ b.double()
    a, b = with_layout(a, left), with_layout(b, right)
    for number in (1, 2):
        with threads(number):
            torch.testing.assert_close(multiply(library, a, b).double(), expected, rtol=1e-5, atol=1e-5)
            actual = multiply(library, a, b, bias).double()
            torch.testing.assert_close(actual, expected + bias.double(), rtol=1e-5, atol=1e-5)


def with_layout(matrix: Tensor, layout: int) -> Tensor:
    """The same matrix: contiguous, stored transposed, or as every second column of a wider one."""
    wide = torch.full((matrix.shape[0], 2 * matrix.shape[1]), float("nan"))
    wide[:, ::2] = matrix
    return [matrix, matrix.t().contiguous().t(), wide[:, ::2]][layout]


@pytest.mark.parametrize("sizes", [(3, 5, 900), (200, 3, 7), (1, 700, 1), (45, 33, 400)], ids=str)
def test_products_in_many_blocks(library: Library, sizes: tuple[int, int, int]) -> None:
    M, N, K = sizes
    a, b = random_tensor(M, K, seed=1), random_tensor(K, N, seed=2)
    for number in (1, 2, 3):
        with threads(number):
            actual = multiply(library, a, b)
            assert torch.equal(multiply(library, a, b), actual)
            torch.testing.assert_close(actual.double(), a.double() @ b.double(), rtol=1e-5, atol=1e-4)


def test_available_builds_multiply_correctly(library: Library) -> None:
    assert multiplies_correctly(library)
