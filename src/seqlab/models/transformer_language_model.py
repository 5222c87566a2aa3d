"""A Transformer language model. Legend: B rows, T steps, C cached steps, S = C + T, H features."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqlab.data.batch import Batch
from seqlab.models.model import Capabilities, SequenceModel, State
from seqlab.models.model_configs import TransformerLanguageModelConfig
from seqlab.nn.attention import KeysValues, sinusoids, visible_keys
from seqlab.nn.dropout import Dropout
from seqlab.nn.initial import output_layer, uniform_embedding
from seqlab.nn.padding import zero_padding
from seqlab.nn.trace import Traceable
from seqlab.nn.transformer import TransformerLayer


class TransformerLanguageModel(SequenceModel, Traceable):
    """embedding * sqrt(H) + sinusoids -> dropout -> layers -> norm -> head.

    State: "valid" (B, C), True where a cached token is real, because prompts differ in length;
    "position" (B,), tokens read so far; for each layer i "keys.i" and "values.i" (B, heads, C, H / heads).
    It lets generation go on from a prompt; training windows start anew.
    """

    capabilities = Capabilities(causal=True, carries_state=False)

    def __init__(
        self,
        config: TransformerLanguageModelConfig,
        *,
        vocabulary: int,
        outputs: int,
        generator: torch.Generator,
    ):
        super().__init__()
        size = config.hidden_size
        self.embedding = uniform_embedding(vocabulary, size, bound=config.init_range, generator=generator)
        self.dropout = Dropout(config.dropout)
        self.layers = nn.ModuleList(
            TransformerLayer(
                size,
                config.heads,
                config.feed_forward_size,
                dropout=config.dropout,
                attention_dropout=config.attention_dropout,
                generator=generator,
            )
            for _ in range(config.layers)
        )
        self.norm = nn.LayerNorm(size)
        self.head = output_layer(
            size,
            outputs,
            bound=config.init_range,
            tied=self.embedding if config.tied else None,
            generator=generator,
        )
        self._cache_shape = (config.heads, 0, size // config.heads)

    def features(self, batch: Batch, state: State | None) -> tuple[Float[Tensor, "B T H"], State]:
        """The last layer's outputs, zero in padding, and everything the next tokens may look at."""
        T, mask = batch.tokens.shape[1], batch.mask
        visible = None if state is None else visible_keys(state.tensors["valid"], T)
        x = self._embed(batch.tokens, None if state is None else state.tensors["position"])
        new: dict[str, Tensor] = {}
        if self.trace is not None:
            self.trace.begin()
        for index, layer in enumerate(self.layers):
            if self.trace is not None:
                self.trace.watch(x, batch.lengths)
            x, present = layer(x, _cached(state, index), visible)
            new[f"keys.{index}"], new[f"values.{index}"] = present
        valid = mask if state is None else torch.cat([state.tensors["valid"], mask], dim=1)
        position = batch.lengths if state is None else state.tensors["position"] + batch.lengths
        features = zero_padding(self.norm(x), batch.lengths)
        return features, State({"valid": valid, "position": position, **new})

    def start(self, batch_size: int) -> State:
        """An empty cache."""
        weight = self.embedding.weight
        empty = weight.new_zeros(batch_size, *self._cache_shape)
        names = [f"{what}.{index}" for index in range(len(self.layers)) for what in ("keys", "values")]
        return State(
            {
                "valid": weight.new_zeros(batch_size, 0, dtype=torch.bool),
                "position": weight.new_zeros(batch_size, dtype=torch.int64),
                **dict.fromkeys(names, empty),
            }
        )

    def _embed(
        self, tokens: Int[Tensor, "B T"], position: Int[Tensor, " B"] | None
    ) -> Float[Tensor, "B T H"]:
        size = self.embedding.embedding_dim
        steps = torch.arange(tokens.shape[1], device=tokens.device)
        places = steps if position is None else position.unsqueeze(1) + steps
        embedded = self.embedding(tokens) * math.sqrt(size)
        return self.dropout(embedded + sinusoids(places, size, embedded.dtype))


def _cached(state: State | None, index: int) -> KeysValues | None:
    if state is None:
        return None
    return KeysValues(state.tensors[f"keys.{index}"], state.tensors[f"values.{index}"])
