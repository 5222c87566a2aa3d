"""The protocol of a model. Legend: B rows, T steps, H features, V outputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqlab.data.batch import Batch
from seqlab.models.model_configs import ModelConfig

__all__ = ["Capabilities", "ModelConfig", "SequenceModel", "State"]


@dataclass(frozen=True)
class State:
    """What a model remembers of each row: named tensors whose first axis is the row.

    One class serves recurrent states and cached keys and values, so that sampling, beam search,
    carried state and checkpoints are written once.
    """

    tensors: dict[str, Tensor]

    def select(self, rows: Int[Tensor, " R"]) -> State:
        """The states of the named rows, in that order; a row may be named twice."""
        return State({name: tensor.index_select(0, rows) for name, tensor in self.tensors.items()})

    def detach(self) -> State:
        """The same values, cut from the graph that made them."""
        return State({name: tensor.detach() for name, tensor in self.tensors.items()})


@dataclass(frozen=True)
class Capabilities:
    """What a model promises; contract tests and the checkup hold it to that.

    causal: output t depends on tokens up to t only, and `start` and `step` exist.
    variable_length: rows of unequal lengths are allowed, padding changes nothing.
    batch_independent: in evaluation a row's output does not depend on the other rows.
    carries_state: the state behind a window may be handed to the next window.
    no_gradient: parameters that legitimately get no gradient, by name.
    """

    causal: bool
    variable_length: bool = True
    batch_independent: bool = True
    carries_state: bool = False
    no_gradient: frozenset[str] = field(default_factory=frozenset)


class SequenceModel(nn.Module, ABC):
    """A map from tokens to features, and a last linear map `head` from features to logits.

    The head is kept apart so that a task's loss can be fused with it; `forward` composes both.
    """

    capabilities: Capabilities
    head: nn.Module

    @abstractmethod
    def features(self, batch: Batch, state: State | None) -> tuple[Tensor, State | None]:
        """Features of a batch, and the state behind each row's last real token.

        Args:
            batch: tokens (B, T) with lengths (B,); targets are not looked at.
            state: where the rows go on from; None is `start`.

        Returns:
            (B, T, H) for a causal model, (B, H) for a classifier, and the new state (None where
            the model has none).
        """

    def forward(self, batch: Batch, state: State | None = None) -> tuple[Tensor, State | None]:
        """Logits (B, T, V) or (B, V), and the new state."""
        features, state = self.features(batch, state)
        return self.head(features), state

    def start(self, batch_size: int) -> State:
        """The state before the first token.

        Raises:
            NotImplementedError: the model is not causal.
        """
        raise NotImplementedError(
            f"{type(self).__name__} reads whole sequences; it has no step by step form."
        )

    def step(self, tokens: Int[Tensor, " B"], state: State) -> tuple[Float[Tensor, "B V"], State]:
        """Logits of the next token after feeding one token a row."""
        ones = torch.ones_like(tokens)
        batch = Batch(tokens.unsqueeze(1), ones, tokens.unsqueeze(1))
        logits, new = self(batch, state)
        assert new is not None, "a causal model returns its state"
        return logits[:, -1], new
