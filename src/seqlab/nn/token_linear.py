"""The same linear map of each step. Legend: B sequences, T steps, E inputs, H outputs."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from typing_extensions import override

from seqlab.nn.embedding import Lookup, vectors_of
from seqlab.nn.initial import linear
from seqlab.nn.layer import Pooling, StatelessLayer
from seqlab.nn.layer_inputs import check_inputs, ragged_lengths
from seqlab.nn.padding import zero_padding
from seqlab.nn.pooling import max_over_time

KIND = "linear layer"


class TokenLinear(StatelessLayer):
    """y_t = ReLU(W x_t + b).

    Args:
        inputs: E.
        outputs: H.
        generator: source of the weights, U(-1/sqrt(E), 1/sqrt(E)) as in torch.

    Raises:
        UserError: a size is less than 1.
    """

    causal = True

    def __init__(self, inputs: int, outputs: int, *, generator: torch.Generator):
        super().__init__()
        self.linear = linear(inputs, outputs, generator=generator)

    @property
    @override
    def output_size(self) -> int:
        return self.linear.out_features

    @override
    def maximum(self) -> Pooling | None:
        return MaxOfLinear(self.linear)

    @override
    def outputs(
        self, x: Float[Tensor, "B T E"] | Lookup, lengths: Int[Tensor, " B"]
    ) -> tuple[Float[Tensor, "B T H"], Int[Tensor, " B"]]:
        check_inputs(x, self.linear.weight, KIND)
        ragged = ragged_lengths(lengths, x, KIND)
        vectors = vectors_of(x) if ragged is None else zero_padding(vectors_of(x), ragged)
        return torch.relu(self.linear(vectors)), lengths


class MaxOfLinear(nn.Module):
    """y = ReLU of the maximum over time of W x_t + b, as one operation; see `linear_max_over_time`.

    Args:
        linear: W and b.
    """

    def __init__(self, linear: nn.Linear):
        super().__init__()
        self.linear = linear

    def forward(
        self, x: Float[Tensor, "B T E"], linear: nn.Linear | None, lengths: Int[Tensor, " B"]
    ) -> Float[Tensor, "B H"]:
        """The maximum of each feature."""
        assert linear is None, "the linear layer is the last one before the maximum"
        return max_over_time(x, self.linear, lengths)
