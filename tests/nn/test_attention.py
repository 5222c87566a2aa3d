"""Attention compared with torch's modules and a loop over tokens; positions compared with the formula."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from seqlab.nn import attention as module
from seqlab.nn.attention import KeysValues, SelfAttention, attend, sinusoids, visible_keys
from seqlab.nn.dropout import Dropout, bind_generator
from seqlab.nn.native.builds import active_library
from seqlab.nn.native.random_masks import attention_weights_
from seqlab.nn.transformer import TransformerLayer
from seqlab.schema.errors import UserError

B, T, H, N = 3, 5, 12, 4
IMPLEMENTATIONS = ["torch", "equations"]


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def some(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=random(seed), dtype=torch.float64)


def assert_equal(actual, expected) -> None:
    torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_values_and_gradients_equal_torchs_attention(implementation):
    ours = SelfAttention(H, N, generator=random(), implementation=implementation).double()
    theirs = nn.MultiheadAttention(H, N, batch_first=True).double()
    theirs.load_state_dict(ours.state_dict())
    future = torch.ones(T, T, dtype=torch.bool).triu(1)
    results = []
    for attention in (ours, theirs):
        x = some(B, T, H).requires_grad_()
        y = ours(x)[0] if attention is ours else theirs(x, x, x, attn_mask=future, need_weights=False)[0]
        gradients = torch.autograd.grad((y * some(B, T, H, seed=2)).sum(), [x, *attention.parameters()])
        results.append([y, *gradients])
    assert_equal(*results)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_with_a_past_equals_a_loop_over_visible_keys(implementation):
    attention = SelfAttention(H, N, generator=random(), implementation=implementation).double()
    x, past = some(B, T, H), KeysValues(some(B, N, 4, 3, seed=2), some(B, N, 4, 3, seed=3))
    valid = torch.tensor([[True, True, False, True], [False] * 4, [True] * 4])
    y, present = attention(x, past, visible_keys(valid, T))
    heads = torch.zeros(B, T, H, dtype=torch.float64)
    for b in range(B):
        q, k, v = (x[b] @ attention.in_proj_weight.T + attention.in_proj_bias).view(T, 3, N, 3).unbind(1)
        for t in range(T):
            for n in range(N):
                cached = [s for s in range(4) if valid[b, s]]
                keys = torch.cat([past.keys[b, n, cached], k[: t + 1, n]])
                values = torch.cat([past.values[b, n, cached], v[: t + 1, n]])
                weights = torch.exp(keys @ q[t, n] / math.sqrt(3))
                heads[b, t, 3 * n : 3 * n + 3] = weights @ values / weights.sum()
    assert_equal(y, attention.out_proj(heads))
    assert present.keys.shape == present.values.shape == (B, N, 4 + T, 3)


def test_a_token_without_any_past_sees_itself():
    visible = visible_keys(torch.tensor([[False, True]]), 2)
    assert visible.tolist() == [[[False, True, True, False], [False, True, True, True]]]


def test_dropped_weights_are_scaled_and_not_renormalised():
    q, k, v = (some(1, 1, 2, 3, seed=seed) for seed in (1, 2, 3))
    dropout = Dropout(0.5)
    bind_generator(dropout, random(4))
    keep = (torch.rand(1, 1, 2, 2, generator=random(4), dtype=torch.float64) >= 0.5) * 2
    weights = torch.softmax((q @ k.mT / math.sqrt(3)), 3)
    assert_equal(attend(q, k, v, torch.ones(1, 2, 2, dtype=torch.bool), dropout), (weights * keep) @ v)


@pytest.mark.skipif(active_library() is None, reason="the library is not available")
def test_many_weights_are_dropped_by_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outputs and gradients are those of the equations in float64 with the mask that the seed gives."""
    monkeypatch.setattr(module, "LEAST_ELEMENTS", 0)
    ours = SelfAttention(H, N, dropout=0.3, generator=random()).float()
    bind_generator(ours, random(5))
    exact = SelfAttention(H, N, generator=random()).double()
    x = some(B, T, H).float()
    library, keep = active_library(), torch.empty(B, N, T, T)
    assert library is not None
    seed = int(torch.empty((), dtype=torch.int64).random_(generator=random(5)))
    attention_weights_(library, torch.zeros(B, N, T, T), keep, scale=1.0, share=0.3, seed=seed)
    assert 0 < (keep > 0).sum() < B * N * T * (T + 1) / 2

    def masked(queries: Tensor, keys: Tensor, values: Tensor, visible: Tensor | None) -> Tensor:
        scores = queries @ keys.mT / math.sqrt(H // N)
        future = torch.ones(T, T, dtype=torch.bool).triu(1)
        return (scores.masked_fill(future, -torch.inf).softmax(3) * (keep > 0) / 0.7) @ values

    monkeypatch.setattr(exact, "_mix", masked)
    results = []
    for attention in (ours, exact):
        inputs = x.to(attention.in_proj_weight.dtype).requires_grad_()
        y = attention(inputs)[0]
        upstream = some(B, T, H, seed=2).to(y.dtype)
        gradients = torch.autograd.grad((y * upstream).sum(), [inputs, *attention.parameters()])
        results.append([tensor.double() for tensor in (y, *gradients)])
    torch.testing.assert_close(*results, rtol=1e-4, atol=1e-5)


def test_attention_dropout_acts_in_training_only():
    attention = SelfAttention(H, N, dropout=0.5, generator=random()).double()
    bind_generator(attention, random(1))
    plain = SelfAttention(H, N, generator=random()).double()
    x = some(B, T, H)
    assert not torch.allclose(attention(x)[0], plain(x)[0])
    assert_equal(attention.eval()(x)[0], plain(x)[0])


def test_projections_are_uniform_within_one_over_root_of_hidden():
    attention = SelfAttention(64, 8, generator=random())
    for weight in attention.parameters():
        assert 0.9 / 8 < weight.abs().max() <= 1 / 8


def test_heads_must_divide():
    with pytest.raises(UserError, match=r"'heads' must divide 'hidden_size'. Got heads 5, hidden_size 12"):
        SelfAttention(12, 5, generator=random())


def test_transformer_layer_equals_torchs():
    ours = TransformerLayer(
        H, N, feed_forward_size=7, dropout=0.0, attention_dropout=0.0, generator=random()
    ).double()
    theirs = nn.TransformerEncoderLayer(H, N, 7, dropout=0.0, batch_first=True, norm_first=True).double()
    theirs.load_state_dict(ours.state_dict())
    x = some(B, T, H)
    future = torch.ones(T, T, dtype=torch.bool).triu(1)
    assert_equal(ours(x)[0], theirs(x, src_mask=future))


@pytest.mark.parametrize("size", [1, 6, 7])
def test_sinusoids_follow_the_formula(size):
    positions = torch.tensor([[0, 1, 2], [17, 1000, 5]])
    waves = sinusoids(positions, size, torch.float64)
    assert waves.shape == (2, 3, size)
    for index, position in [((0, 1), 1), ((1, 0), 17), ((1, 1), 1000)]:
        for i in range(size):
            angle = position / 10000 ** (2 * (i // 2) / size)
            expected = math.cos(angle) if i % 2 else math.sin(angle)
            assert waves[(*index, i)].item() == pytest.approx(expected, abs=1e-10)
