"""What is between a recurrent layer and the next one. Legend: B sequences, T steps, E inputs, H features."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor, nn

from seqlab.nn.embedding import Lookup, vectors_of
from seqlab.nn.padding import zero_padding


class Connection(nn.Module):
    """The output y of a layer, from its input x before dropout and the output h of its cell.

    y = h; with layer norm y = norm(h) (Ba et al. 2016; here of the outputs of a layer, not within a step);
    with residual y = x + h or x + norm(h) (He et al. 2016; in stacked LSTMs Wu et al. 2016).

    Args:
        size: H.
        layer_norm: whether h is normalised, over its features and with a learned scale and shift.
        residual: whether x is added; then E = H.
    """

    def __init__(self, size: int, *, layer_norm: bool, residual: bool):
        super().__init__()
        self.norm = nn.LayerNorm(size) if layer_norm else None
        self._residual = residual

    def forward(
        self, x: Float[Tensor, "B T E"] | Lookup, h: Float[Tensor, "B T H"], lengths: Int[Tensor, " B"] | None
    ) -> Float[Tensor, "B T H"]:
        """The output, zero at padding; lengths are None for a batch without."""
        y = h if self.norm is None else self.norm(h)
        y = y + vectors_of(x) if self._residual else y
        return y if y is h or lengths is None else zero_padding(y, lengths)
