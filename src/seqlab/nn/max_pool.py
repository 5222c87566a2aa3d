"""Maximum over windows of time. Legend: B sequences, T steps, W windows, E features, w steps of a window."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional
from typing_extensions import override

from seqlab.data.sequences import length_mask
from seqlab.nn.embedding import Lookup, vectors_of
from seqlab.nn.layer import StatelessLayer
from seqlab.nn.layer_inputs import check_inputs, ragged_lengths
from seqlab.nn.sizes import check_sizes

KIND = "max-pool"


class MaxPool(StatelessLayer):
    """y_t = max over w t <= s < min(w (t + 1), length) of x_s: windows side by side, none of them padded.

    As torch.nn.MaxPool1d(w, ceil_mode=True) of each sequence alone, so no step is lost.

    Args:
        size: E.
        width: w.

    Raises:
        UserError: a size is less than 1.
    """

    def __init__(self, size: int, width: int):
        super().__init__()
        check_sizes({"size": size, "width": width})
        self._size, self.width = size, width

    @property
    @override
    def output_size(self) -> int:
        return self._size

    @override
    def outputs(
        self, x: Float[Tensor, "B T E"] | Lookup, lengths: Int[Tensor, " B"]
    ) -> tuple[Float[Tensor, "B W E"], Int[Tensor, " B"]]:
        check_inputs(x, None, KIND)
        ragged = ragged_lengths(lengths, x, KIND)
        vectors, T = vectors_of(x), x.shape[1]
        if ragged is not None:
            vectors = vectors.masked_fill(~length_mask(ragged, T).unsqueeze(2), -math.inf)
        count = -(-T // self.width)
        whole = functional.pad(vectors, (0, 0, 0, count * self.width - T), value=-math.inf)
        y = whole.view(len(whole), count, self.width, self._size).max(2).values
        new = torch.div(lengths + self.width - 1, self.width, rounding_mode="floor")
        # A window of padding alone has no maximum.
        y = y.masked_fill(~length_mask(new, count).unsqueeze(2), 0.0)
        return y, new

    def extra_repr(self) -> str:
        """The width, as `print(model)` shows it."""
        return f"width={self.width}"
