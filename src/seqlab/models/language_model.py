"""Language models. Legend: B sequences, T steps, H features."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn
from typing_extensions import override

from seqlab.data.batch import Batch
from seqlab.data.sequences import Padded
from seqlab.models.model import Capabilities, SequenceModel, State
from seqlab.nn.dropout import Dropout
from seqlab.nn.embedding import Embedding, embedded
from seqlab.nn.layer import Layer, LayerGroup
from seqlab.nn.layer_inputs import real_tokens


class LanguageModel(SequenceModel):
    """embedding -> dropout -> body -> dropout -> head.

    Its state is that of the body.

    Args:
        embedding: a vector for each token.
        body: causal layers.
        dropout: share dropped of embedded tokens and before the head; a body may drop more inside.
        head: map to the vocabulary; its outputs are logits.
    """

    def __init__(self, embedding: Embedding, body: Layer, *, dropout: float, head: nn.Module):
        super().__init__()
        assert body.causal, "a language model must not see the tokens that it predicts"
        self.capabilities = Capabilities(causal=True, carries_state=body.carries_state)
        self.embedding, self.body, self.head = embedding, body, head
        self.dropout = Dropout(dropout)

    @override
    def features(self, batch: Batch, state: State | None) -> tuple[Float[Tensor, "B T H"], State]:
        lengths = batch.inputs.lengths
        x = embedded(self.embedding, real_tokens(batch.inputs.tokens, lengths), self.dropout)
        y, _, new = self.body(x, lengths, None if state is None else state.tensors)
        assert new is not None, "a causal layer returns its state"
        return self.dropout(y), State(new)

    @override
    def layer_groups(self) -> list[LayerGroup]:
        """The head, the layers of the body, the embedding."""
        head, embedding = LayerGroup.of("head", self.head), LayerGroup.of("embedding", self.embedding)
        return [head, *self.body.layer_groups(), embedding]

    @override
    def start(self, batch_size: int, source: Padded | None = None) -> State:
        assert source is None, "a language model reads no source"
        return State(self.body.start(batch_size))
