"""Layers one after the other. Legend: B sequences, T and S steps, E inputs, H outputs of the last layer."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float, Int
from torch import Tensor, nn
from typing_extensions import override

from seqlab.nn.embedding import Lookup
from seqlab.nn.layer import Layer, LayerGroup, LayerState


class Chain(Layer):
    """The composition of layers, each of which reads the outputs of the one before.

    State: that of layer i under "i.NAME".

    Args:
        layers: at least one; each fits the outputs of the one before.
    """

    def __init__(self, layers: Sequence[Layer]):
        super().__init__()
        assert layers, "a chain has layers"
        self.layers = nn.ModuleList(layers)
        self.causal = all(layer.causal for layer in layers)
        self.bidirectional = layers[-1].bidirectional
        self.carries_state = self.causal and all(layer.carries_state for layer in layers)

    @property
    @override
    def output_size(self) -> int:
        return self._in_order()[-1].output_size

    @override
    def start(self, batch_size: int) -> LayerState:
        starts = [layer.start(batch_size) for layer in self._in_order()]
        return {f"{i}.{name}": tensor for i, start in enumerate(starts) for name, tensor in start.items()}

    @override
    def forward(
        self,
        x: Float[Tensor, "B T E"] | Lookup,
        lengths: Int[Tensor, " B"],
        state: LayerState | None = None,
        *,
        need_state: bool = True,
    ) -> tuple[Float[Tensor, "B S H"], Int[Tensor, " B"], LayerState | None]:
        after: LayerState = {}
        y = x
        for i, layer in enumerate(self._in_order()):
            before = None if state is None else _of_layer(state, i)
            y, lengths, new = layer(y, lengths, before, need_state=need_state)
            after |= {f"{i}.{name}": tensor for name, tensor in (new or {}).items()}
        assert isinstance(y, Tensor), "a layer's outputs are a tensor"
        return y, lengths, after if need_state else None

    @override
    def layer_groups(self) -> list[LayerGroup]:
        """Those of its layers, from the last one to the first; layers without parameters have none."""
        numbered = reversed(list(enumerate(self._in_order())))
        groups = [(i, group) for i, layer in numbered for group in layer.layer_groups()]
        return [
            LayerGroup(f"layers.{i}, {group.name}", group.parameters)
            for i, group in groups
            if group.parameters
        ]

    def _in_order(self) -> list[Layer]:
        return [layer for layer in self.layers if isinstance(layer, Layer)]


def _of_layer(state: LayerState, i: int) -> LayerState:
    prefix = f"{i}."
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
