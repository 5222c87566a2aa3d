"""Vectors of tokens: a table that may be read through someone else in training, or a fixed one."""

from __future__ import annotations

from typing import Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional


class Reader(Protocol):
    """Whoever keeps a table's rows and hands out those of a batch; see `seqlab.train.row_wise`."""

    def __call__(self, tokens: Int[Tensor, "*N"]) -> Float[Tensor, "*N H"]:
        """Vectors of the tokens, as the table's would be now; gradients go to the reader."""
        ...


class Embedding(nn.Embedding):
    """torch's embedding; with a `reader`, training steps take their vectors from it."""

    reader: Reader | None = None

    def forward(self, input: Int[Tensor, "*N"]) -> Float[Tensor, "*N H"]:
        """A vector for each token."""
        if self.reader is not None and self.training and torch.is_grad_enabled():
            return self.reader(input)
        return super().forward(input)


class Fixed(nn.Module):
    """Token k as the k-th row of a table that is not learned.

    Args:
        table: (V, E) float32.
    """

    def __init__(self, table: Float[Tensor, "V E"]):
        super().__init__()
        self.embedding_dim = table.shape[1]
        # A buffer, so that the vectors have the type and the place of the weights they meet.
        self.register_buffer("table", table, persistent=False)

    def forward(self, tokens: Int[Tensor, "*N"]) -> Float[Tensor, "*N E"]:
        """A vector for each token."""
        return functional.embedding(tokens, self.get_buffer("table"))
