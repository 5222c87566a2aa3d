"""A head with one logit for two labels. Legend: B sequences, H features."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


class OneLogit(nn.Module):
    """Logits (0, w . x + b): cross-entropy of them is the binary cross-entropy of the second label's.

    Args:
        linear: the map (H -> 1).
    """

    def __init__(self, linear: nn.Linear):
        super().__init__()
        self.linear = linear

    def forward(self, x: Float[Tensor, "B H"]) -> Float[Tensor, "B 2"]:
        """The logits of both labels."""
        return functional.pad(self.linear(x), (1, 0))
