"""A Transformer layer.

Legend: B batch size, T new steps, S cached and new steps, H features, F inner features.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from seqlab.nn.attention import KeysValues, SelfAttention
from seqlab.nn.dropout import Dropout
from seqlab.nn.initial import linear
from seqlab.nn.linear_map import LinearMaps


class TransformerLayer(LinearMaps):
    """Pre-norm causal layer: a = x + dropout(attention(norm1(x))), y = a + dropout(feed_forward(norm2(a))).

    feed_forward(a) = W_2 dropout(max(0, W_1 a + b_1)) + b_2. Parameters are named as in
    torch.nn.TransformerEncoderLayer(norm_first=True). Pre-norm: Xiong et al. 2020.

    Args:
        hidden_size: H.
        heads: attention heads, a divisor of H.
        feed_forward_size: F.
        dropout: fraction dropped of the outputs of both branches and of the inner features.
        attention_dropout: fraction dropped of the attention weights.
        generator: source of the weights.

    Raises:
        UserError: the number of heads does not divide the hidden size, or a dropout is not within its range.
    """

    def __init__(
        self,
        hidden_size: int,
        heads: int,
        feed_forward_size: int,
        *,
        dropout: float,
        attention_dropout: float,
        generator: torch.Generator,
    ):
        super().__init__()
        self.self_attn = SelfAttention(hidden_size, heads, dropout=attention_dropout, generator=generator)
        self.linear1 = linear(hidden_size, feed_forward_size, generator=generator)
        self.linear2 = linear(feed_forward_size, hidden_size, generator=generator)
        self.norm1 = nn.LayerNorm(hidden_size)
        self.norm2 = nn.LayerNorm(hidden_size)
        self.dropout = Dropout(dropout)

    def forward(
        self,
        x: Float[Tensor, "B T H"],
        past: KeysValues | None = None,
        visible: Bool[Tensor, "B T S"] | None = None,
    ) -> tuple[Float[Tensor, "B T H"], KeysValues]:
        """The layer's output, and the keys and values of past and new tokens; see `SelfAttention.forward`."""
        attended, present = self.self_attn(self.norm1(x), past, visible)
        x = x + self.dropout(attended)
        inner = self.map(self.norm2(x), self.linear1.weight, self.linear1.bias)
        inner = self.dropout(torch.relu(inner))
        return x + self.dropout(self.map(inner, self.linear2.weight, self.linear2.bias)), present
