"""Dropout between layers. Legend: B sequences, T steps, E features."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor
from typing_extensions import override

from seqlab.nn.dropout import Dropout
from seqlab.nn.embedding import Lookup, vectors_of
from seqlab.nn.layer import StatelessLayer


class StepDropout(StatelessLayer):
    """`Dropout` of each feature of each step alone, or of whole steps; see there for its generator.

    Args:
        size: E.
        rate: share dropped.
        whole: whether the features of a step are dropped together.
    """

    causal = True

    def __init__(self, size: int, rate: float, *, whole: bool = False):
        super().__init__()
        self._size, self.dropout = size, Dropout(rate, whole=whole)

    @property
    @override
    def output_size(self) -> int:
        return self._size

    @override
    def outputs(
        self, x: Float[Tensor, "B T E"] | Lookup, lengths: Int[Tensor, " B"]
    ) -> tuple[Float[Tensor, "B T E"], Int[Tensor, " B"]]:
        return self.dropout(vectors_of(x)), lengths
