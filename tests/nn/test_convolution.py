"""Convolution over time and max-pooling against torch's own, sequence by sequence in float64."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from seqlab.nn.convolution import Convolution
from seqlab.nn.max_pool import MaxPool
from seqlab.schema.errors import UserError

E, F = 5, 4


def layer(*widths: int, inputs: int = E, filters: int = F) -> Convolution:
    return Convolution(inputs, filters, widths, generator=torch.Generator().manual_seed(0)).double()


def drawn(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def reference(layer: Convolution, sequence: Tensor) -> Tensor:
    """(T, E) -> (T, H), by a loop over steps and widths, as the equation is written."""
    T, rows = len(sequence), []
    for t in range(T):
        parts = []
        for one in layer.convolutions:
            assert isinstance(one, nn.Conv1d)
            assert one.bias is not None
            total, w = one.bias, one.weight.shape[2]
            for k in range(w):
                at = t + k - (w - 1) // 2
                if 0 <= at < T:
                    total = total + one.weight[:, :, k] @ sequence[at]
            parts.append(torch.relu(total))
        rows.append(torch.cat(parts))
    return torch.stack(rows) if rows else sequence.new_zeros(0, layer.output_size)


@pytest.mark.parametrize("widths", [(1,), (3,), (2,), (4, 3, 1), (9, 2)])
@pytest.mark.parametrize("lengths", [(7, 3, 0), (6, 6, 6), (1, 2, 7)])
def test_outputs_and_gradients_are_those_of_the_equation(
    widths: tuple[int, ...], lengths: tuple[int, ...]
) -> None:
    one, x = layer(*widths), drawn(3, 7, E).requires_grad_()
    y, after, state = one(x, torch.tensor(lengths))
    assert after.tolist() == list(lengths)
    assert state == {}
    upstream = drawn(3, 7, one.output_size, seed=2)
    expected = [reference(one, x[b, :L]) for b, L in enumerate(lengths)]
    for b, L in enumerate(lengths):
        torch.testing.assert_close(y[b, :L], expected[b])
    found = torch.stack([(y[b, :L] * upstream[b, :L]).sum() for b, L in enumerate(lengths)]).sum()
    wanted = torch.stack([(row * upstream[b, : len(row)]).sum() for b, row in enumerate(expected)]).sum()
    leaves = [x, *one.parameters()]
    for a, b in zip(torch.autograd.grad(found, leaves), torch.autograd.grad(wanted, leaves), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("widths", [(1,), (3,), (2, 5)])
def test_the_maximum_as_one_operation_is_that_of_the_outputs(widths: tuple[int, ...]) -> None:
    one, x, lengths = layer(*widths), drawn(4, 7, E).requires_grad_(), (7, 3, 1, 5)
    found = one.max_over_time(x, torch.tensor(lengths))
    wanted = torch.stack([reference(one, x[b, :L]).amax(0) for b, L in enumerate(lengths)])
    torch.testing.assert_close(found, wanted)
    upstream, leaves = drawn(4, one.output_size, seed=3), [x, *one.parameters()]
    pairs = (torch.autograd.grad((y * upstream).sum(), leaves) for y in (found, wanted))
    for a, b in zip(*pairs, strict=True):
        torch.testing.assert_close(a, b)


def test_the_maximum_of_no_steps_is_zero_without_a_gradient() -> None:
    one, x = layer(3), drawn(2, 4, E).requires_grad_()
    for steps in (4, 0):
        y = one.max_over_time(x[:, :steps], torch.tensor([0, 0]))
        assert not y.any()
    y = one.max_over_time(x, torch.tensor([4, 0]))
    (dx,) = torch.autograd.grad(y[1].sum(), [x])
    assert not dx.any()


@pytest.mark.parametrize("fill", [float("nan"), float("inf"), 1e30])
def test_what_padding_holds_changes_no_bit(fill: float) -> None:
    one, lengths = layer(3, 2), torch.tensor([5, 2, 0])
    clean = drawn(3, 5, E)
    for b, L in enumerate(lengths.tolist()):
        clean[b, L:] = 0
    dirty = clean.clone()
    for b, L in enumerate(lengths.tolist()):
        dirty[b, L:] = fill
    results = []
    for x in (clean.requires_grad_(), dirty.requires_grad_()):
        y, _, _ = one(x, lengths)
        pooled = one.max_over_time(x, lengths)
        total = pooled.sum() + sum(y[b, :L].square().sum() for b, L in enumerate(lengths.tolist()))
        grads = torch.autograd.grad(total, list(one.parameters()))
        results.append([pooled, *(y[b, :L] for b, L in enumerate(lengths.tolist())), *grads])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_parameters_are_torchs() -> None:
    theirs = nn.Conv1d(E, F, 3, padding="same").double()
    ours = layer(3)
    ours.convolutions[0].load_state_dict(theirs.state_dict())
    x = drawn(2, 6, E)
    expected = torch.relu(theirs(x.transpose(1, 2))).transpose(1, 2)
    torch.testing.assert_close(ours(x, torch.tensor([6, 6]))[0], expected)
    bound = max(float(p.detach().abs().max()) for p in layer(3, filters=400).parameters())
    assert 0.99 / (3 * E) ** 0.5 < bound <= 1 / (3 * E) ** 0.5


@pytest.mark.parametrize(
    ("sizes", "match"),
    [
        ((0, 4, (3,)), "'inputs'"),
        ((4, 0, (3,)), "'filters'"),
        ((4, 4, ()), "'widths'"),
        ((4, 4, (0,)), "'width'"),
    ],
)
def test_sizes_are_checked(sizes: tuple[int, int, tuple[int, ...]], match: str) -> None:
    with pytest.raises(UserError, match=f"{match} must be at least 1. Got 0"):
        Convolution(*sizes, generator=torch.Generator())


@given(st.lists(st.integers(0, 9), min_size=1, max_size=5), st.integers(1, 11))
def test_max_pool_is_torchs_of_each_sequence_alone(lengths: list[int], width: int) -> None:
    x = drawn(len(lengths), 9, 3)
    for b, L in enumerate(lengths):
        x[b, L:] = torch.nan
    x.requires_grad_()
    y, after, _ = MaxPool(3, width)(x, torch.tensor(lengths))
    assert after.tolist() == [-(-L // width) for L in lengths]
    upstream = drawn(*y.shape, seed=5)
    (found,) = torch.autograd.grad((y * upstream).sum(), [x])
    for b, L in enumerate(lengths):
        if not L:
            assert not y[b].any()
            continue
        own = x[b, :L].detach().requires_grad_()
        wanted = functional.max_pool1d(own.T, width, ceil_mode=True).T
        torch.testing.assert_close(y[b, : len(wanted)], wanted)
        assert not y[b, len(wanted) :].any()
        (gradient,) = torch.autograd.grad((wanted * upstream[b, : len(wanted)]).sum(), [own])
        torch.testing.assert_close(found[b, :L], gradient)
        assert not found[b, L:].any()
