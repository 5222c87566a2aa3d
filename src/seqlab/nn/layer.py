"""The protocol of a layer. Legend: B sequences, T and S steps, E inputs, H outputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor, nn
from typing_extensions import override

from seqlab.nn.embedding import Lookup

Pooling = Callable[[Tensor, nn.Linear | None, Tensor], Tensor]
"""Features of a sequence from those of its steps: inputs (B, T, E), a linear map followed by ReLU before
pooling or None, and lengths, to (B, H)."""
LayerState = dict[str, Tensor]
"""What a layer remembers of each sequence: named tensors whose first axis is the sequence."""


@dataclass(frozen=True)
class LayerGroup:
    """Parameters that are trained or frozen together, with one learning rate; `name` is for messages."""

    name: str
    parameters: tuple[nn.Parameter, ...]

    @staticmethod
    def of(name: str, *modules: nn.Module) -> LayerGroup:
        """The parameters of some modules."""
        return LayerGroup(name, tuple(p for module in modules for p in module.parameters()))


class Layer(nn.Module, ABC):
    """A map of sequences to sequences; models are made of layers.

    causal: output t depends on inputs up to t only.
    carries_state: the state after a window may be handed to the next window in training and scoring.
    bidirectional: the second half of the outputs reads a sequence from its last step to its first.
    """

    causal: bool = False
    carries_state: bool = False
    bidirectional: bool = False

    @property
    @abstractmethod
    def output_size(self) -> int:
        """H."""

    def maximum(self) -> Pooling | None:
        """The maximum over time of its outputs, computed with them as one operation; None without one."""
        return None

    @abstractmethod
    def start(self, batch_size: int) -> LayerState:
        """The state before the first step; {} for a layer without one."""

    @abstractmethod
    def forward(
        self,
        x: Float[Tensor, "B T E"] | Lookup,
        lengths: Int[Tensor, " B"],
        state: LayerState | None = None,
        *,
        need_state: bool = True,
    ) -> tuple[Float[Tensor, "B S H"], Int[Tensor, " B"], LayerState | None]:
        """Outputs, their lengths, and the state after the last step of each sequence.

        Args:
            x: inputs; what follows the length of a sequence changes nothing.
            lengths: steps of each sequence, 0 to T.
            state: what the sequences continue; None is `start`.
            need_state: False returns None as the state, and does no work for it.
        """

    def layer_groups(self) -> list[LayerGroup]:
        """Its parameters, from the layer next to the outputs to the one next to the inputs."""
        return [LayerGroup.of("body", self)]


class StatelessLayer(Layer, ABC):
    """A layer that remembers nothing of the steps that it has read."""

    @override
    def start(self, batch_size: int) -> LayerState:
        return {}

    @override
    def forward(
        self,
        x: Float[Tensor, "B T E"] | Lookup,
        lengths: Int[Tensor, " B"],
        state: LayerState | None = None,
        *,
        need_state: bool = True,
    ) -> tuple[Float[Tensor, "B S H"], Int[Tensor, " B"], LayerState | None]:
        y, lengths = self.outputs(x, lengths)
        return y, lengths, {} if need_state else None

    @abstractmethod
    def outputs(
        self, x: Float[Tensor, "B T E"] | Lookup, lengths: Int[Tensor, " B"]
    ) -> tuple[Float[Tensor, "B S H"], Int[Tensor, " B"]]:
        """Outputs and their lengths; see `forward`."""
