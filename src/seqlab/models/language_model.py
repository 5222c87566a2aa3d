"""Language models. Legend: B sequences, T steps, H features of the body, F of the head's inputs."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor, nn
from typing_extensions import override

from seqlab.data.batch import Batch
from seqlab.data.sequences import Padded
from seqlab.models.model import Capabilities, SequenceModel, State
from seqlab.models.regularisation import UNREGULARISED, Regularisation
from seqlab.nn.activation_penalty import ActivationPenalty
from seqlab.nn.dropout import Dropout
from seqlab.nn.embedding import Embedding, Lookup, embedded
from seqlab.nn.layer import Layer, LayerGroup
from seqlab.nn.layer_inputs import real_tokens
from seqlab.nn.vocabulary_dropout import VocabularyDropout


class LanguageModel(SequenceModel):
    """embedding -> dropout -> body -> dropout [-> projection] -> head.

    Its state is that of the body.

    Args:
        embedding: a vector for each token.
        body: causal layers.
        head: map to the vocabulary; its outputs are logits.
        projection: map of the body's features to those that the head reads; None where they are the same.
        regularisation: what is dropped and penalised in training; a body may drop more inside.
    """

    def __init__(
        self,
        embedding: Embedding,
        body: Layer,
        *,
        head: nn.Module,
        projection: nn.Linear | None = None,
        regularisation: Regularisation = UNREGULARISED,
    ):
        super().__init__()
        assert body.causal, "a language model must not see the tokens that it predicts"
        self.capabilities = Capabilities(causal=True, carries_state=body.carries_state)
        self.embedding, self.body = embedding, body
        self.projection, self.head = projection, head
        rates, locked = regularisation, regularisation.locked
        self.embedding_dropout = VocabularyDropout(rates.embedding_dropout, embedding.num_embeddings)
        self.input_dropout = Dropout(rates.input_dropout, locked=locked)
        self.output_dropout = Dropout(rates.output_dropout, locked=locked)
        self.penalty = ActivationPenalty(rates.activation, rates.temporal)

    @override
    def features(self, batch: Batch, state: State | None) -> tuple[Float[Tensor, "B T F"], State]:
        outputs, after = self._outputs(batch, state)
        return self._projected(self.output_dropout(outputs)), after

    @override
    def training_features(
        self, batch: Batch, state: State | None
    ) -> tuple[Float[Tensor, "B T F"], State, Float[Tensor, ""] | None]:
        outputs, after = self._outputs(batch, state)
        dropped = self.output_dropout(outputs)
        penalty = self.penalty(outputs, dropped, batch.inputs.lengths) if self.penalty else None
        return self._projected(dropped), after, penalty

    @override
    def layer_groups(self) -> list[LayerGroup]:
        """The head with the projection, the layers of the body, the embedding."""
        top = (self.head,) if self.projection is None else (self.projection, self.head)
        head, embedding = LayerGroup.of("head", *top), LayerGroup.of("embedding", self.embedding)
        return [head, *self.body.layer_groups(), embedding]

    @override
    def start(self, batch_size: int, source: Padded | None = None) -> State:
        assert source is None, "a language model reads no source"
        return State(self.body.start(batch_size))

    def _outputs(self, batch: Batch, state: State | None) -> tuple[Float[Tensor, "B T H"], State]:
        """The outputs of the body, before dropout, and its new state."""
        lengths = batch.inputs.lengths
        x = self._embedded(real_tokens(batch.inputs.tokens, lengths))
        y, _, new = self.body(x, lengths, None if state is None else state.tensors)
        assert new is not None, "a causal layer returns its state"
        return y, State(new)

    def _embedded(self, tokens: Int[Tensor, "B T"]) -> Lookup | Float[Tensor, "B T E"]:
        if self.embedding_dropout.active:
            return self.input_dropout(self.embedding_dropout(self.embedding(tokens), tokens))
        return embedded(self.embedding, tokens, self.input_dropout)

    def _projected(self, features: Float[Tensor, "B T H"]) -> Float[Tensor, "B T F"]:
        return features if self.projection is None else self.projection(features)
