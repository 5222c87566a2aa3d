"""The protocol of a model. Legend: B sequences, T steps, H features, V outputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn

from seqlab.data.batch import Batch, unlabelled
from seqlab.data.sequences import Padded
from seqlab.models.token_effects import TokenEffects
from seqlab.nn.embedding import GivenVectors
from seqlab.nn.layer import LayerGroup
from seqlab.nn.layer_inputs import check_axes
from seqlab.schema.errors import UserError


@dataclass(frozen=True)
class State:
    """What a model remembers of each sequence: named tensors whose first axis is the sequence.

    One class serves recurrent states, cached keys and values, and the memory of an encoder, so that sampling,
    beam search, carried state and checkpoints are written once.
    """

    tensors: dict[str, Tensor]

    def select(self, rows: Int[Tensor, " R"]) -> State:
        """The states of the named sequences, in that order; one may be named twice."""
        return State({name: tensor.index_select(0, rows) for name, tensor in self.tensors.items()})

    def detach(self) -> State:
        """The same values, cut from the graph that made them."""
        return State({name: tensor.detach() for name, tensor in self.tensors.items()})


@dataclass(frozen=True)
class Capabilities:
    """What a model promises; contract tests and the checkup verify it.

    causal: output t depends on inputs up to t only, and `start` and `step` exist.
    variable_length: sequences of unequal lengths are allowed, padding changes nothing.
    batch_independent: in evaluation the output of a sequence does not depend on the others of the batch.
    carries_state: the state after a window may be handed to the next window.
    no_gradient: parameters that legitimately get no gradient, by name.
    window: the last tokens of a sequence that are read, where that is a fixed number; None reads them all.
    """

    causal: bool
    variable_length: bool = True
    batch_independent: bool = True
    carries_state: bool = False
    no_gradient: frozenset[str] = field(default_factory=frozenset)
    window: int | None = None


class SequenceModel(nn.Module, ABC):
    """A map from tokens to features, and a last linear map `head` from features to logits.

    The head is kept apart so that a task's loss can be fused with it; `forward` composes both. An
    encoder-decoder is a causal model whose first state comes from a source. `notes` are what the user should
    know of how it is used.
    """

    capabilities: Capabilities
    head: nn.Module
    notes: tuple[str, ...] = ()

    @abstractmethod
    def features(self, batch: Batch, state: State | None) -> tuple[Tensor, State | None]:
        """Features of a batch, and the state after the last real token of each sequence.

        Args:
            batch: inputs (B, T), and a source where the model reads one; targets are not read.
            state: what the sequences continue; None is `start` with the source of the batch.

        Returns:
            (B, T, H) for a causal model, (B, H) for a classifier, and the new state (None where
            the model has none).
        """

    def training_features(
        self, batch: Batch, state: State | None
    ) -> tuple[Tensor, State | None, Float[Tensor, ""] | None]:
        """What `features` returns, and what is added to the mean loss of a target to give the objective.

        For the training step alone, so that no loss that is reported contains a penalty; None where nothing
        is added.
        """
        return (*self.features(batch, state), None)

    def forward(self, batch: Batch, state: State | None = None) -> tuple[Tensor, State | None]:
        """Logits (B, T, V) or (B, V), and the new state."""
        features, state = self.features(batch, state)
        return self.head(features), state

    def layer_groups(self) -> list[LayerGroup]:
        """Its parameters from the head to the embedding, in groups that can be trained one after the other.

        Here the head, then each other part from the last to the first. A parameter of several groups belongs
        to the first of them.
        """
        parts = dict(self.named_children())
        return [LayerGroup.of(name, parts[name]) for name in ("head", *reversed(parts))]

    def tabulated(self) -> SequenceModel:
        """The same function for evaluation, up to rounding; for many texts with weights that do not change.

        What depends on a single token alone is computed here, once for each token of the vocabulary.
        """
        return self

    def token_vectors(self, batch: Batch) -> Float[Tensor, "1 T E"]:
        """The vectors of the embedded tokens of one sequence, (1, T, E).

        Raises:
            UserError: the model embeds no tokens.
        """
        return self._embedding()(batch.inputs.tokens)

    def from_vectors(self, batch: Batch, vectors: Float[Tensor, "B T E"]) -> Float[Tensor, "B V"]:
        """The logits of `forward` where tokens are embedded as these vectors, to which gradients flow.

        All sequences of the batch have the same tokens: a model may read them in any order.

        Raises:
            UserError: the model embeds no tokens.
        """
        own = self._embedding()
        self.embedding = GivenVectors(vectors)
        try:
            return self(batch)[0]
        finally:
            self.embedding = own

    def token_effects(self, tokens: NDArray[np.int64], output: int) -> TokenEffects | None:
        """What each token of a text (T,) adds to an output; None where outputs are no sums over tokens."""
        return None

    def _embedding(self) -> nn.Module:
        found = dict(self.named_children()).get("embedding")
        if found is None:
            raise UserError("The model must have an embedding of tokens. Got one without.")
        return found

    def start(self, batch_size: int, source: Padded | None = None) -> State:
        """The state before the first token of each sequence, after its source if the model reads one.

        Raises:
            NotImplementedError: the model is not causal.
        """
        raise NotImplementedError(
            f"{type(self).__name__} reads whole sequences; it has no step by step form."
        )

    def step(self, tokens: Int[Tensor, " B"], state: State) -> tuple[Float[Tensor, "B V"], State]:
        """Logits of the next token after reading one token of each sequence."""
        check_axes("tokens of a step", tokens, ("batch",))
        # A batch of one step: the same code as for whole sequences, so that both agree.
        inputs = Padded(tokens.unsqueeze(1), torch.ones_like(tokens, dtype=torch.int64))
        logits, new = self(unlabelled(inputs), state)
        assert new is not None, "a causal model returns its state"
        return logits[:, -1], new
