"""Masks that the library draws, compared with the generators written out, and what is computed with them.

Legend: B sequences, N heads, T steps.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from native import threads
from numpy.typing import NDArray
from torch import Tensor

from seqlab.nn.native.binding import Library
from seqlab.nn.native.random_masks import attention_weights_, dropped

BLOCK, LANES = 4096, 16


def split_mix(state: int, count: int) -> list[int]:
    """SplitMix64 in Python's own integers."""
    drawn, ones = [], (1 << 64) - 1
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) & ones
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & ones
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & ones
        drawn.append(z ^ (z >> 31))
    return drawn


def numbers(seed: int, block: int, rounds: int) -> NDArray[np.uint32]:
    """(rounds, 16): what the generators of a block draw, xoshiro128++."""
    start = split_mix(seed, 1)[0] + block * 0xD1342543DE82EF95
    words = split_mix(start & ((1 << 64) - 1), 2 * LANES)
    halves = [(word & 0xFFFFFFFF, word >> 32) for word in words]
    s = [np.array([halves[2 * k + i // 2][i % 2] for k in range(LANES)], np.uint32) for i in range(4)]

    def turned(x: NDArray[np.uint32], bits: int) -> NDArray[np.uint32]:
        return (x << np.uint32(bits)) | (x >> np.uint32(32 - bits))

    rows = []
    for _ in range(rounds):
        rows.append(turned(s[0] + s[3], 7) + s[0])
        shifted = s[1] << np.uint32(9)
        s[2] = s[2] ^ s[0]
        s[3] = s[3] ^ s[1]
        s[1] = s[1] ^ s[2]
        s[0] = s[0] ^ s[3]
        s[2] = s[2] ^ shifted
        s[3] = turned(s[3], 11)
    return np.stack(rows)


def kept(seed: int, count: int, share: float) -> Tensor:
    """Which of `count` elements are kept."""
    blocks = [numbers(seed, block, BLOCK // LANES).ravel() for block in range(-(-count // BLOCK))]
    return torch.from_numpy(np.concatenate(blocks)[:count] >= int(share * 2**32))


def kept_weights(seed: int, matrices: int, T: int, share: float) -> Tensor:
    """(matrices, T, T): which attention weights are kept."""
    rounds = -(-T // LANES)
    drawn = [numbers(seed, m, T * rounds).reshape(T, rounds * LANES)[:, :T] for m in range(matrices)]
    return torch.from_numpy(np.stack(drawn) >= int(share * 2**32))


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float32)


@pytest.mark.parametrize("count", [0, 1, 7, 15, 16, 17, 4095, 4096, 4097, 10_001])
def test_the_mask_is_that_of_the_generators(library: Library, count: int) -> None:
    x, seed, share = random(count), 2**62 + 12_345, 0.3
    expected = torch.where(kept(seed, count, share) if count else torch.ones(0, dtype=torch.bool), x / 0.7, 0)
    for number in (1, 2, 3):
        with threads(number):
            y = dropped(library, x, share, seed)
        assert torch.equal(y == 0, expected == 0)
        torch.testing.assert_close(y, expected, rtol=1e-6, atol=0)


def test_what_is_dropped_is_zero_even_if_infinite(library: Library) -> None:
    x = torch.full((100,), torch.inf)
    y = dropped(library, x, 0.5, 3)
    assert set(y.tolist()) == {0.0, torch.inf}


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_the_share_that_is_dropped(library: Library, share: float) -> None:
    """Within five standard deviations, as are pairs of neighbours, of lanes, and of two seeds."""
    count = 1 << 18
    first, second = (dropped(library, torch.ones(count), share, seed) > 0 for seed in (1, 2))
    probability, error = 1 - share, 5 * 0.5 / count**0.5
    assert first.double().mean().item() == pytest.approx(probability, abs=error)
    for other in (first.roll(1), first.roll(LANES), first.roll(BLOCK), second):
        both = (first & other).double().mean().item()
        assert both == pytest.approx(probability**2, abs=error)


@pytest.mark.parametrize("T", [1, 5, 16, 17, 35, 64])
def test_attention_weights_and_their_gradient(library: Library, T: int) -> None:
    B, N, seed, share, scale = 2, 3, 77, 0.25, 0.3
    scores, upstream = 4 * random(B, N, T, T), random(B, N, T, T, seed=1)
    exact = scores.double().requires_grad_()
    hidden = torch.ones(T, T, dtype=torch.bool).triu(1)
    softmax = (exact * scale).masked_fill(hidden, -torch.inf).softmax(dim=3)
    keep = kept_weights(seed, B * N, T, share).view(B, N, T, T)
    expected = torch.where(keep, softmax / (1 - share), 0.0)
    (gradient,) = torch.autograd.grad(expected, exact, upstream.double())
    for number in (1, 2):
        weights, mixed, g = scores.clone(), torch.empty(B, N, T, T), upstream.clone()
        with threads(number):
            attention_weights_(library, weights, mixed, scale=scale, share=share, seed=seed)
            attention_weights_(library, weights, g, scale=scale, share=share, seed=seed, backward=True)
        torch.testing.assert_close(weights.double(), softmax.detach(), rtol=1e-5, atol=1e-7)
        torch.testing.assert_close(mixed.double(), expected.detach(), rtol=1e-5, atol=1e-7)
        torch.testing.assert_close(g.double(), gradient, rtol=1e-4, atol=1e-6)


def test_scores_far_apart_or_not_a_number(library: Library) -> None:
    """The largest score has all of the weight; a row with NaN is NaN, and no other row."""
    scores = random(1, 1, 20, 20)
    scores[0, 0, 5, 2], scores[0, 0, 7, 3], scores[0, 0, 9, 4] = 1e4, torch.nan, -1e30
    scores[0, 0, 3, 19] = torch.nan
    mixed = torch.empty_like(scores)
    attention_weights_(library, scores, mixed, scale=1.0, share=0.0, seed=0)
    assert scores[0, 0, 5].tolist() == pytest.approx([0.0] * 2 + [1.0] + [0.0] * 17, abs=1e-30)
    assert scores[0, 0, 7, :8].isnan().all()
    rows = [row for row in range(20) if row != 7]
    assert scores[0, 0, rows].sum(1).tolist() == pytest.approx([1.0] * 19, abs=1e-6)
    assert torch.equal(mixed[0, 0, rows], scores[0, 0, rows]), "nothing is dropped"
