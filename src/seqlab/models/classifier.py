"""Models with one output for each sequence. Legend: B sequences, T steps, H features."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn
from typing_extensions import override

from seqlab.data.batch import Batch
from seqlab.models.model import Capabilities, SequenceModel, State
from seqlab.nn.dropout import Dropout
from seqlab.nn.embedding import Embedding, Fixed, embedded
from seqlab.nn.layer import Layer
from seqlab.nn.layer_inputs import real_tokens
from seqlab.nn.pooling import POOLINGS


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
        self.pooling = POOLINGS[pooling]

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
