"""Models with one output for each sequence. Legend: B sequences, T steps, H features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from seqlab.data.batch import Batch
from seqlab.models.model import Capabilities, SequenceModel, State
from seqlab.nn.dropout import Dropout
from seqlab.nn.embedding import Embedding, Fixed, embedded, vectors_of
from seqlab.nn.layer import Layer, LayerGroup
from seqlab.nn.layer_inputs import real_tokens
from seqlab.nn.padding import last_steps
from seqlab.nn.pooling import BAGS, Pooling, trailing_linear


class SequenceClassifier(SequenceModel):
    """`embedding -> dropouts [-> body] [-> linear -> ReLU] -> pooling -> dropout [-> dense] -> head`.

    `dense` are linear maps of the pooled features, each with ReLU and dropout after it.

    Args:
        embedding: a vector for each token, learned or fixed.
        body: layers that read the embedded tokens in order; None leaves a model that is blind to order,
            unless the pooling is not.
        linear: map of the features of each step before pooling; None pools them as they are.
        pooling: one of `seqlab.nn.pooling`.
        dense: maps between pooling and head, in order.
        dropout: share dropped of the inputs of `dense` and `head`.
        token_dropout: share of tokens that are dropped whole, all features of their vectors.
        embedding_dropout: share dropped of the features of the others.
        head: map to the classes, or to a number.
        window: the model reads the last so many tokens of a sequence; None reads them all.
    """

    def __init__(
        self,
        embedding: Embedding | Fixed,
        body: Layer | None,
        linear: nn.Linear | None,
        *,
        pooling: Pooling,
        dense: Sequence[nn.Linear] = (),
        dropout: float,
        token_dropout: float = 0.0,
        embedding_dropout: float = 0.0,
        head: nn.Module,
        window: int | None = None,
    ):
        super().__init__()
        self.capabilities = Capabilities(causal=False, window=window)
        self.embedding, self.body, self.linear = embedding, body, linear
        self.pooling = pooling
        self.dense, self.head = nn.ModuleList(dense), head
        self.token_dropout = Dropout(token_dropout, whole=True)
        self.embedding_dropout, self.dropout = Dropout(embedding_dropout), Dropout(dropout)

    @override
    def features(self, batch: Batch, state: State | None) -> tuple[Float[Tensor, "B H"], None]:
        assert state is None, "a classifier reads whole sequences"
        lengths = batch.inputs.lengths
        tokens = real_tokens(batch.inputs.tokens, lengths)
        window = self.capabilities.window or tokens.shape[1]
        x = embedded(self.embedding, tokens, self.token_dropout, self.embedding_dropout)
        if self.body is None or tokens.shape[1] > window:
            # Vectors are cut, not tokens, so that every token of the batch is embedded.
            x, lengths = last_steps(vectors_of(x), lengths, window)
        if self.body is not None:
            x, lengths, _ = self.body(x, lengths, need_state=False)
        assert isinstance(x, Tensor), "vectors are looked up where no layer reads them"
        h = self.dropout(self.pooling(x, self.linear, lengths))
        for dense in self.dense:
            assert isinstance(dense, nn.Linear), "maps are linear"
            h = self.dropout(torch.relu(trailing_linear(h, dense)))
        return h, None

    @override
    def layer_groups(self) -> list[LayerGroup]:
        """The head with everything after the body, the layers of the body, the embedding."""
        below = (self.embedding, self.body)
        top = LayerGroup.of("head", *(part for part in self.children() if part not in below))
        body = [] if self.body is None else self.body.layer_groups()
        return [top, *body, LayerGroup.of("embedding", self.embedding)]

    @override
    @torch.no_grad()
    def tabulated(self) -> SequenceModel:
        window = self.capabilities.window
        if self.body is not None or self.pooling not in BAGS or self.dense or window is not None:
            return self
        table = self.embedding.rows
        rows = table if self.linear is None else torch.relu(self.linear(table))
        return _TabulatedClassifier(rows, BAGS[self.pooling], self.head)


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
