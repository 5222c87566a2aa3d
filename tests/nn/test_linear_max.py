"""Linear map and maximum as one operation, compared with the two operations in float64."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from seqlab.nn.linear_max import linear_max_over_time


def leaves(B: int, T: int, E: int, H: int, seed: int = 0) -> list[Tensor]:
    random = torch.Generator().manual_seed(seed)
    shapes = ((B, T, E), (H, E), (H,))
    return [torch.randn(s, generator=random, dtype=torch.float64).requires_grad_() for s in shapes]


def gradients(y: Tensor, tensors: list[Tensor]) -> list[Tensor]:
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(7), dtype=y.dtype)
    return list(torch.autograd.grad((y * weights).sum(), tensors))


@given(lengths=st.lists(st.integers(0, 5), min_size=1, max_size=6), E=st.integers(1, 4), H=st.integers(1, 7))
def test_values_and_gradients(lengths: list[int], E: int, H: int) -> None:
    tensors, rows = leaves(len(lengths), max(1, *lengths), E, H), torch.tensor(lengths)
    actual = linear_max_over_time(tensors[0], tensors[1], tensors[2], rows)
    z = torch.nn.functional.linear(*tensors)
    naive = [z[row, :n].max(0).values if n else z[row, 0] * 0 for row, n in enumerate(lengths)]
    expected = torch.stack(naive)
    assert torch.allclose(actual, expected)
    for gradient, correct in zip(gradients(actual, tensors), gradients(expected, tensors), strict=True):
        assert torch.allclose(gradient, correct, atol=1e-12)


def test_of_equal_maxima_the_first_gets_the_gradient() -> None:
    (x, weight, bias), rows = leaves(1, 4, 2, 3), torch.tensor([4])
    with torch.no_grad():
        x[:, 1:] = x[:, :1]
    (dx,) = torch.autograd.grad(linear_max_over_time(x, weight, bias, rows).sum(), [x])
    assert dx[0, 0].abs().sum() > 0
    assert dx[0, 1:].abs().sum() == 0


@pytest.mark.parametrize("content", [0.0, 1e9, float("nan")])
def test_padding_changes_nothing(content: float) -> None:
    (x, weight, bias), rows = leaves(2, 4, 3, 5), torch.tensor([2, 4])
    with torch.no_grad():
        x[0, 2:] = content
    y = linear_max_over_time(x, weight, bias, rows)
    assert torch.allclose(y[0], torch.nn.functional.linear(x[0, :2], weight, bias).amax(0))
    (dx,) = torch.autograd.grad(y.sum(), [x])
    assert dx[0, 2:].abs().sum() == 0
