"""Stacked Transformer layers. Legend: B sequences, T steps, C cached steps, S = C + T, H features."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from typing_extensions import override

from seqlab.data.sequences import length_mask
from seqlab.nn.attention import KeysValues, sinusoids, visible_keys
from seqlab.nn.dropout import Dropout
from seqlab.nn.embedding import Lookup, vectors_of
from seqlab.nn.layer import Layer, LayerGroup, LayerState
from seqlab.nn.layer_inputs import check_inputs, check_states, ragged_lengths
from seqlab.nn.padding import zero_padding
from seqlab.nn.sizes import check_sizes, require_numbers
from seqlab.nn.trace import Traceable
from seqlab.nn.transformer import TransformerLayer

KIND = "Transformer stack"


class TransformerStack(Layer, Traceable):
    """dropout(x sqrt(H) + sinusoids) -> pre-norm causal layers -> layer norm.

    State: "valid" (B, C), True where a cached step is real, because prompts differ in length;
    "position" (B,), steps read so far; for each layer i "keys.i" and "values.i" (B, heads, C, H / heads).
    It lets generation continue a prompt; windows of training start from scratch.

    Args:
        hidden_size: H, of inputs and outputs.
        heads: attention heads of a layer, a divisor of H.
        feed_forward_size: features inside the feed-forward part of a layer.
        layers: number of layers.
        dropout: share dropped of inputs, of both branches of a layer and inside its feed-forward part.
        attention_dropout: share dropped of attention weights.
        generator: source of the weights.

    Raises:
        UserError: a size is less than 1, the heads do not divide the hidden size, or a dropout is out of
            range.
    """

    causal = True

    def __init__(
        self,
        hidden_size: int,
        heads: int,
        feed_forward_size: int,
        *,
        layers: int,
        dropout: float,
        attention_dropout: float,
        generator: torch.Generator,
    ):
        super().__init__()
        sizes = {"hidden_size": hidden_size, "feed_forward_size": feed_forward_size, "layers": layers}
        check_sizes({**sizes, "heads": heads})
        # Four maps of attention, two of the feed-forward part.
        require_numbers(layers * hidden_size * (4 * hidden_size + 2 * feed_forward_size), sizes)
        self.dropout = Dropout(dropout)
        self.layers = nn.ModuleList(
            TransformerLayer(
                hidden_size,
                heads,
                feed_forward_size,
                dropout=dropout,
                attention_dropout=attention_dropout,
                generator=generator,
            )
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(hidden_size)
        self._hidden_size = hidden_size
        self._cache_shape = (heads, 0, hidden_size // heads)

    @property
    @override
    def output_size(self) -> int:
        return self._hidden_size

    @override
    def start(self, batch_size: int) -> LayerState:
        check_sizes({"batch_size": batch_size}, least=0)
        require_numbers(2 * batch_size, {"batch_size": batch_size})  # positions, of 8 bytes
        weight = self.norm.weight
        empty = weight.new_zeros(batch_size, *self._cache_shape)
        names = [f"{what}.{index}" for index in range(len(self.layers)) for what in ("keys", "values")]
        return {
            "valid": weight.new_zeros(batch_size, 0, dtype=torch.bool),
            "position": weight.new_zeros(batch_size, dtype=torch.int64),
            **dict.fromkeys(names, empty),
        }

    @override
    def forward(
        self,
        x: Float[Tensor, "B T H"] | Lookup,
        lengths: Int[Tensor, " B"],
        state: LayerState | None = None,
        *,
        need_state: bool = True,
    ) -> tuple[Float[Tensor, "B T H"], Int[Tensor, " B"], LayerState | None]:
        check_inputs(x, self.norm.weight, KIND)
        ragged_lengths(lengths, x, KIND)
        T = x.shape[1]
        if state is not None:
            check_states(state, self.start(0), self._shapes(len(lengths), state), KIND)
        # Without a past, attention is plainly causal, which has a faster path than a mask.
        visible = None if state is None else visible_keys(state["valid"], T)
        # Attention multiplies the values at padding by zero, which hides everything but NaN and infinity.
        x = zero_padding(vectors_of(x), lengths)
        y = self._positioned(x, None if state is None else state["position"])
        new: LayerState = {}
        if self.trace is not None:
            self.trace.begin(lengths)
        for index, layer in enumerate(self.layers):
            if self.trace is not None:
                self.trace.watch(y, lengths)
            y, present = layer(y, _cached(state, index), visible)
            new[f"keys.{index}"], new[f"values.{index}"] = present
        outputs = zero_padding(self.norm(y), lengths)
        if not need_state:
            return outputs, lengths, None
        mask = length_mask(lengths, T)
        new["valid"] = mask if state is None else torch.cat([state["valid"], mask], dim=1)
        new["position"] = lengths if state is None else state["position"] + lengths
        return outputs, lengths, new

    @override
    def layer_groups(self) -> list[LayerGroup]:
        """One group for each layer, the norm after the last one with that."""
        layers = [LayerGroup.of(f"body layer {k + 1}", layer) for k, layer in enumerate(self.layers)]
        top = LayerGroup.of(layers[-1].name, self.layers[-1], self.norm)
        return [top, *reversed(layers[:-1])]

    def _shapes(self, batch_size: int, state: LayerState) -> dict[str, tuple[int, ...]]:
        """The shapes of a state of as many cached steps."""
        valid = state.get("valid") if isinstance(state, Mapping) else None
        past = valid.shape[1] if isinstance(valid, Tensor) and valid.dim() == 2 else 0
        heads, _, features = self._cache_shape
        shapes = dict.fromkeys(self.start(0), (batch_size, heads, past, features))
        return {**shapes, "valid": (batch_size, past), "position": (batch_size,)}

    def _positioned(
        self, x: Float[Tensor, "B T H"], position: Int[Tensor, " B"] | None
    ) -> Float[Tensor, "B T H"]:
        size = self._hidden_size
        steps = torch.arange(x.shape[1], device=x.device)
        positions = steps if position is None else position.unsqueeze(1) + steps
        scaled = x * math.sqrt(size)
        return self.dropout(scaled + sinusoids(positions, size, scaled.dtype))


def _cached(state: LayerState | None, index: int) -> KeysValues | None:
    if state is None:
        return None
    return KeysValues(state[f"keys.{index}"], state[f"values.{index}"])
