"""Vectors of tokens: a table that may be read through someone else in training, or a fixed one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from seqlab.nn.dropout import Dropout


class Reader(Protocol):
    """Whoever keeps a table's rows and hands out those of a batch; see `seqlab.experiment.row_wise`."""

    def __call__(self, tokens: Int[Tensor, "*N"]) -> Float[Tensor, "*N H"]:
        """Vectors of the tokens, as the table's would be now; gradients go to the reader."""
        ...


@dataclass(frozen=True)
class Lookup:
    """Vectors of tokens that were not taken from their table yet.

    A layer that multiplies them may multiply the table instead, once for each token there is.
    """

    tokens: Int[Tensor, "B T"]
    table: Float[Tensor, "V E"]

    @cached_property
    def vectors(self) -> Float[Tensor, "B T E"]:
        """A vector for each token."""
        return functional.embedding(self.tokens, self.table)

    @cached_property
    def shape(self) -> torch.Size:
        """Of the vectors."""
        return torch.Size((*self.tokens.shape, self.table.shape[1]))

    @property
    def dtype(self) -> torch.dtype:
        """Of the vectors."""
        return self.table.dtype

    @property
    def device(self) -> torch.device:
        """Where all of it lies."""
        return self.table.device


class Embedding(nn.Embedding):
    """torch's embedding; with a `reader`, training steps take their vectors from it."""

    reader: Reader | None = None

    def forward(self, input: Int[Tensor, "*N"]) -> Float[Tensor, "*N H"]:
        """A vector for each token."""
        return self.reader(input) if self.reader is not None and self._learns else super().forward(input)

    def lookup(self, tokens: Int[Tensor, "B T"]) -> Lookup | Float[Tensor, "B T H"]:
        """The same for a layer that may read the table itself; vectors where a reader hands them out."""
        return self(tokens) if self.reader is not None and self._learns else Lookup(tokens, self.weight)

    @property
    def _learns(self) -> bool:
        return self.training and torch.is_grad_enabled()


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

    def lookup(self, tokens: Int[Tensor, "B T"]) -> Lookup:
        """The same for a layer that may read the table itself."""
        return Lookup(tokens, self.get_buffer("table"))


def embedded(
    embedding: Embedding | Fixed, dropout: Dropout, tokens: Int[Tensor, "B T"]
) -> Lookup | Float[Tensor, "B T E"]:
    """What a recurrence reads: vectors with dropout; where nothing is dropped, those still in the table."""
    return dropout(embedding(tokens)) if dropout.active else embedding.lookup(tokens)


def vectors_of(x: Lookup | Float[Tensor, "B T E"]) -> Float[Tensor, "B T E"]:
    """Vectors, looked up if they are still in their table."""
    return x.vectors if isinstance(x, Lookup) else x
