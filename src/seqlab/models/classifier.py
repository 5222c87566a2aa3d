"""Models with one output for each sequence. Legend: B sequences, T steps, H features."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from seqlab.data.batch import Batch
from seqlab.models.model import Capabilities, SequenceModel, State
from seqlab.nn.dropout import Dropout
from seqlab.nn.embedding import Embedding, Fixed, embedded
from seqlab.nn.layer import Layer
from seqlab.nn.layer_inputs import real_tokens
from seqlab.nn.pooling import POOLINGS

_BAGS = ("mean", "max")
"""Poolings of which the order of the tokens makes no difference."""


class SequenceClassifier(SequenceModel):
    """`embedding -> dropout [-> body] [-> linear -> ReLU] -> pooling -> dropout -> head`.

    Args:
        embedding: a vector for each token, learned or fixed.
        body: layers that read the embedded tokens in order; None leaves a model that is blind to order.
        linear: map of the features of each step before pooling; None pools them as they are.
        pooling: a key of `seqlab.nn.pooling.POOLINGS`.
        dropout: share dropped of embedded tokens and of pooled features.
        head: map to the classes, or to a number.
    """

    capabilities = Capabilities(causal=False)

    def __init__(
        self,
        embedding: Embedding | Fixed,
        body: Layer | None,
        linear: nn.Linear | None,
        *,
        pooling: str,
        dropout: float,
        head: nn.Linear,
    ):
        super().__init__()
        self.embedding, self.body, self.linear, self.head = embedding, body, linear, head
        self.dropout = Dropout(dropout)
        self.pooling, self._pooling_name = POOLINGS[pooling], pooling

    @override
    def features(self, batch: Batch, state: State | None) -> tuple[Float[Tensor, "B H"], None]:
        assert state is None, "a classifier reads whole sequences"
        lengths = batch.inputs.lengths
        tokens = real_tokens(batch.inputs.tokens, lengths)
        if self.body is None:
            x = self.dropout(self.embedding(tokens))
        else:
            x = embedded(self.embedding, self.dropout, tokens)
            x, lengths, _ = self.body(x, lengths, need_state=False)
        return self.dropout(self.pooling(x, self.linear, lengths)), None

    @override
    @torch.no_grad()
    def tabulated(self) -> SequenceModel:
        if self.body is not None or self._pooling_name not in _BAGS:
            return self
        table = self.embedding.rows
        rows = table if self.linear is None else torch.relu(self.linear(table))
        return _TabulatedClassifier(rows, self._pooling_name, self.head)


class _TabulatedClassifier(SequenceModel):
    """A classifier that is blind to order: row k of the table (V, H) is what token k adds to the pooling."""

    capabilities = Capabilities(causal=False)

    def __init__(self, table: Float[Tensor, "V H"], pooling: str, head: nn.Module):
        super().__init__()
        self.register_buffer("table", table, persistent=False)
        self.head, self._pooling = head, pooling

    @override
    def features(self, batch: Batch, state: State | None) -> tuple[Float[Tensor, "B H"], None]:
        inputs = batch.inputs
        begins = inputs.lengths.cumsum(0) - inputs.lengths
        tokens, table = inputs.tokens[inputs.mask], self.get_buffer("table")
        return functional.embedding_bag(tokens, table, begins, mode=self._pooling), None
