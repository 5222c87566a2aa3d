"""Shapes of recurrent layers that are measured, and the layers of torch that they are compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from seqlab.nn.cells import CELLS

RNN, GRU, LSTM = "torch.nn.RNN", "torch.nn.GRU", "torch.nn.LSTM"
TORCH_CLASSES: Mapping[str, type[nn.RNN] | type[nn.GRU] | type[nn.LSTM]] = {
    RNN: nn.RNN,
    GRU: nn.GRU,
    LSTM: nn.LSTM,
}
TORCH_LAYERS: Mapping[str, str] = {"elman": RNN, "gru": GRU, "gru-reset-before": GRU, "lstm": LSTM}
"""Torch's layer for each cell; its GRU applies the reset gate after the product, at equal operations."""

MATMULS = 3
"""Matrix products of each weight: forward, its own gradient, the gradient of its input."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Sizes of a layer and its batch: B, T, E, H.

    goals: ratio of the time of each of torch's layers to seqlab's that seqlab aims at, on AMD processors with
    AVX-512. share: fraction of the machine's peak that seqlab aims at; None without such a goal.
    """

    batch: int
    steps: int
    inputs: int
    hidden: int
    goals: Mapping[str, float]
    share: float | None

    @property
    def name(self) -> str:
        """The sizes, B x T x E x H."""
        return f"{self.batch}x{self.steps}x{self.inputs}x{self.hidden}"

    def gflop(self, cell: str) -> float:
        """Operations of the matrix products of one forward and backward pass, in 10^9."""
        weights = CELLS[cell].gates * self.hidden * (self.inputs + self.hidden)
        return 2e-9 * MATMULS * weights * self.batch * self.steps


def _shape(sizes: tuple[int, int, int, int], goals: tuple[float, float, float], share: float | None) -> Shape:
    """A shape from B, T, E, H and the goals for GRU, RNN, LSTM."""
    batch, steps, inputs, hidden = sizes
    by_layer: dict[str, float] = dict(zip((GRU, RNN, LSTM), goals, strict=True))
    return Shape(batch=batch, steps=steps, inputs=inputs, hidden=hidden, goals=by_layer, share=share)


_ALL = (
    _shape((128, 200, 300, 300), (2.7, 2.5, 1.4), 0.65),
    _shape((20, 35, 650, 650), (3.2, 2.8, 1.15), 0.65),
    _shape((20, 35, 1500, 1500), (3.2, 3.2, 1.35), 0.60),
    _shape((64, 100, 128, 128), (3.0, 2.7, 1.1), 0.45),
    _shape((256, 40, 32, 16), (4.5, 3.5, 2.0), None),
    _shape((1, 1000, 256, 256), (10.0, 9.0, 1.4), None),
)
SHAPES: Mapping[str, Shape] = {shape.name: shape for shape in _ALL}
