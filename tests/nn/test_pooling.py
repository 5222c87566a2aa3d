"""Pooling and padding functions compared with loops over sequences."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from seqlab.nn.padding import flip_rows, last_token, zero_padding
from seqlab.nn.pooling import POOLINGS

LENGTHS = st.lists(st.integers(0, 5), min_size=1, max_size=4)
NAIVE = {
    "max": lambda row: row.amax(0),
    "mean": lambda row: row.mean(0),
    "last": lambda row: row[-1],
}


def inputs(rows: int) -> Tensor:
    generator = torch.Generator().manual_seed(rows)
    return torch.randn(rows, 5, 3, generator=generator, dtype=torch.float64)


def layer() -> nn.Linear:
    # Mostly negative outputs: a maximum that included zeros at padding would differ before the ReLU, and
    # after it features that are zero everywhere must have no gradient.
    linear = nn.Linear(3, 4, dtype=torch.float64)
    with torch.no_grad():
        linear.weight.copy_(torch.randn(4, 3, generator=torch.Generator().manual_seed(1)))
        linear.bias.copy_(torch.tensor([0.5, -0.5, -1.0, -9.0]))
    return linear


@pytest.mark.parametrize("name", list(POOLINGS))
@settings(max_examples=30, deadline=None)
@given(lengths=LENGTHS, garbage=st.sampled_from([float("nan"), float("inf"), 1e300, -1e300]))
def test_pools_real_tokens_only(name, lengths, garbage):
    x, sizes, linear = inputs(len(lengths)), torch.tensor(lengths), layer()
    real = torch.arange(5) < sizes.unsqueeze(1)
    dirty = torch.where(real.unsqueeze(2), x, garbage).requires_grad_()
    naive = x.clone().requires_grad_()
    mapped = torch.relu(linear(naive))
    rows = [NAIVE[name](mapped[row, :n]) if n else mapped[row, 0] * 0 for row, n in enumerate(lengths)]
    expected, actual = torch.stack(rows), POOLINGS[name](dirty, linear, sizes)
    torch.testing.assert_close(actual, expected)
    weight = torch.arange(1.0, 1 + actual.numel(), dtype=torch.float64).view_as(actual)
    gradients = [
        torch.autograd.grad((y * weight).sum(), z)[0] for y, z in ((actual, dirty), (expected, naive))
    ]
    torch.testing.assert_close(*gradients)


@settings(max_examples=30, deadline=None)
@given(lengths=LENGTHS)
def test_flipping_reverses_each_sequence_up_to_its_length(lengths):
    x, sizes = inputs(len(lengths)).requires_grad_(), torch.tensor(lengths)
    flipped = flip_rows(x, sizes)
    for row, n in enumerate(lengths):
        assert torch.equal(flipped[row, :n], x[row, :n].flip(0))
        assert torch.equal(flipped[row, n:], x[row, n:])
    torch.testing.assert_close(flip_rows(flipped, sizes), x)
    (gradient,) = torch.autograd.grad((flipped * x.detach()).sum(), x)
    torch.testing.assert_close(gradient, flip_rows(x.detach(), sizes))


def test_last_token_of_an_empty_sequence_is_the_value_given_for_it():
    x, empty = inputs(2), torch.ones(2, 3, dtype=torch.float64)
    actual = last_token(x, torch.tensor([0, 4]), empty)
    assert torch.equal(actual, torch.stack([empty[0], x[1, 3]]))


def test_zero_padding_removes_even_nan():
    x = torch.full((1, 2, 3), float("nan"))
    assert torch.equal(zero_padding(x, torch.tensor([0])), torch.zeros(1, 2, 3))
