"""Causal self-attention with cached keys and values, and sinusoidal positions.

Legend: B batch size, T new steps, C cached steps, S = C + T, N heads, K features of a head, H = N * K.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple, get_args

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from seqlab.nn.dropout import LEAST_ELEMENTS, Dropout
from seqlab.nn.implementation import AttentionImplementation
from seqlab.nn.initial import linear
from seqlab.nn.linear_map import LinearMaps
from seqlab.nn.native.builds import library_for
from seqlab.nn.native.random_masks import attention_weights_
from seqlab.nn.sizes import check_sizes, require_numbers
from seqlab.schema.errors import UserError, unknown


class KeysValues(NamedTuple):
    """The cache of past tokens: their keys and values, both (B, N, S, K)."""

    keys: Tensor
    values: Tensor


def visible_keys(past: Bool[Tensor, "B C"], steps: int) -> Bool[Tensor, "B {steps} S"]:
    """Which keys each new token attends to: cached ones that `past` marks as real, and new ones up to itself.

    New padding needs no mask: it comes after all real tokens of its sequence, so the causal mask hides it.
    Every token, padding included, attends at least to itself, so no row of scores is all -inf, whose softmax
    is NaN.
    """
    new = torch.ones(steps, steps, dtype=torch.bool, device=past.device).tril()
    rows = past.shape[0]
    return torch.cat([past.unsqueeze(1).expand(-1, steps, -1), new.expand(rows, -1, -1)], dim=2)


def attend(
    queries: Float[Tensor, "B N T K"],
    keys: Float[Tensor, "B N S K"],
    values: Float[Tensor, "B N S K"],
    visible: Bool[Tensor, "B T S"],
    dropout: Dropout,
) -> Float[Tensor, "B N T K"]:
    """Return dropout(softmax(Q K^T / sqrt(K))) V, softmax over visible keys; Vaswani et al. 2017, eq. 1."""
    scores = queries @ keys.transpose(2, 3) / math.sqrt(queries.shape[3])
    weights = scores.masked_fill(~visible.unsqueeze(1), -torch.inf).softmax(dim=3)
    return dropout(weights) @ values


class _DroppedAttention(torch.autograd.Function):
    """`attend` without a past, by two products and the native library between them."""

    @staticmethod
    def forward(  # noqa: PLR0917 (torch passes arguments by position)
        ctx: Any, queries: Tensor, keys: Tensor, values: Tensor, share: float, seed: int
    ) -> Tensor:
        library = library_for(queries, keys, values)
        assert library is not None, "the caller asked for it"
        ctx.options = {"scale": 1 / math.sqrt(queries.shape[3]), "share": share, "seed": seed}
        weights = (queries @ keys.transpose(2, 3)).contiguous()
        kept = torch.empty_like(weights)
        attention_weights_(library, weights, kept, **ctx.options)
        ctx.save_for_backward(queries, keys, values, weights, kept)
        return kept @ values

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore
        queries, keys, values, weights, kept = ctx.saved_tensors
        library = library_for(weights)
        assert library is not None, "as in the forward pass"
        g = (upstream[0] @ values.transpose(2, 3)).contiguous()
        attention_weights_(library, weights, g, backward=True, **ctx.options)
        dvalues = kept.transpose(2, 3) @ upstream[0]
        return g @ keys, g.transpose(2, 3) @ queries, dvalues, None, None


class SelfAttention(LinearMaps):
    """Multi-head causal self-attention; Vaswani et al. 2017, section 3.2.

    head_i = attend(x W_q,i + b_q,i, x W_k,i + b_k,i, x W_v,i + b_v,i),  y = [head_1, .., head_N] W_o + b_o.
    Parameters are named as in torch.nn.MultiheadAttention and drawn from U(-1/sqrt(H), 1/sqrt(H)), so state
    dicts interchange with it.

    Args:
        hidden_size: H.
        heads: N, a divisor of H.
        dropout: fraction of the attention weights that are dropped; the others are scaled up, not
            renormalised.
        generator: source of the weights.
        implementation: "torch" uses torch's fused attention unless attention weights are dropped, because
            its dropout draws from the global generator; many dropped weights on a CPU are computed by the
            native library. "equations" always computes the equations.

    Raises:
        UserError: a size is less than 1, the number of heads does not divide the hidden size, dropout is not
            within its range, or the implementation is unknown.
    """

    def __init__(
        self,
        hidden_size: int,
        heads: int,
        *,
        dropout: float = 0.0,
        generator: torch.Generator,
        implementation: AttentionImplementation = "torch",
    ):
        super().__init__()
        check_sizes({"hidden_size": hidden_size, "heads": heads})
        require_numbers(4 * hidden_size * hidden_size, {"hidden_size": hidden_size})
        if hidden_size % heads:
            raise UserError(
                f"'heads' must divide 'hidden_size'. Got heads {heads}, hidden_size {hidden_size}."
            )
        if implementation not in get_args(AttentionImplementation):
            raise unknown("implementation", str(implementation), get_args(AttentionImplementation))
        self.heads, self.implementation = heads, implementation
        # One map to queries, keys and values, in this order, as torch.nn.MultiheadAttention stores them.
        joint = linear(hidden_size, 3 * hidden_size, generator=generator)
        self.in_proj_weight, self.in_proj_bias = joint.weight, joint.bias
        self.out_proj = linear(hidden_size, hidden_size, generator=generator)
        self.dropout = Dropout(dropout)

    def forward(
        self,
        x: Float[Tensor, "B T H"],
        past: KeysValues | None = None,
        visible: Bool[Tensor, "B T S"] | None = None,
    ) -> tuple[Float[Tensor, "B T H"], KeysValues]:
        """Attention of each new token to the past ones and to the new ones up to itself.

        Args:
            x: the new tokens; outputs at padding are undefined.
            past: cached keys and values of the tokens before them.
            visible: from `visible_keys`; None if there is no past.

        Returns:
            Outputs, and the keys and values of past and new tokens.
        """
        assert (past is None) == (visible is None), "`past` and `visible` are given together"
        B, T, H = x.shape
        joint = self.map(x, self.in_proj_weight, self.in_proj_bias)
        queries, keys, values = joint.view(B, T, 3, self.heads, H // self.heads).permute(2, 0, 3, 1, 4)
        if past is not None:
            keys, values = torch.cat([past.keys, keys], dim=2), torch.cat([past.values, values], dim=2)
        y = self._mix(queries, keys, values, visible)
        outputs = self.map(y.transpose(1, 2).reshape(B, T, H), self.out_proj.weight, self.out_proj.bias)
        return outputs, KeysValues(keys, values)

    def _mix(self, queries: Tensor, keys: Tensor, values: Tensor, visible: Tensor | None) -> Tensor:
        if self._native(queries, keys, visible):
            y = _DroppedAttention.apply(queries, keys, values, self.dropout.p, self.dropout.draw_seed())
            assert isinstance(y, Tensor)
            return y
        if self.implementation == "equations" or self.dropout.active:
            B, _, T, _ = queries.shape
            visible = (
                visible_keys(queries.new_empty(B, 0, dtype=torch.bool), T) if visible is None else visible
            )
            return attend(queries, keys, values, visible, self.dropout)
        # `is_causal` counts from the first key: right without a past, wrong with one.
        mask = None if visible is None else visible.unsqueeze(1)
        return functional.scaled_dot_product_attention(
            queries, keys, values, attn_mask=mask, is_causal=mask is None
        )

    def _native(self, queries: Tensor, keys: Tensor, visible: Tensor | None) -> bool:
        """Whether the native library computes the weights: many of them, some dropped, without a past."""
        # The library is looked up last: each step of a generation asks.
        return (
            self.implementation == "torch"
            and self.dropout.active
            and visible is None
            and math.prod(queries.shape[:3]) * keys.shape[2] >= LEAST_ELEMENTS
            and library_for(queries) is not None
        )


def sinusoids(positions: Int[Tensor, "*N"], size: int, dtype: torch.dtype) -> Float[Tensor, "*N {size}"]:
    """Positions p as [2i] = sin(p / 10000^(2i/size)), [2i+1] = cos(p / ...); Vaswani et al. 2017."""
    even = torch.arange(0, size, 2, device=positions.device, dtype=dtype)
    angles = positions.unsqueeze(-1).to(dtype) * torch.exp(even * (-math.log(10000.0) / size))
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2)[..., :size]
