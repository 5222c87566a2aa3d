"""Vectors of tokens, from a table that is learned or fixed.

Legend: B batch size, T steps, V tokens of the vocabulary, E features.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from seqlab.nn.dropout import Dropout
from seqlab.schema.errors import UserError


class Reader(Protocol):
    """An optimizer that updates rows of a table lazily and knows their current values; see `row_wise`."""

    def __call__(self, tokens: Int[Tensor, "*N"]) -> Float[Tensor, "*N E"]:
        """The current vectors of the tokens; their gradients go to the reader, not to the table."""
        ...


def check_tokens(tokens: Int[Tensor, "*N"], table: Float[Tensor, "V E"]) -> None:
    """Check that tokens are whole numbers on the device of their table.

    Raises:
        UserError: they are not, or no tensor.
    """
    required = f"torch.int64 or torch.int32 on {table.device}, as their table is"
    if not isinstance(tokens, Tensor):
        raise UserError(f"Tokens must be {required}. Got {type(tokens).__name__}.")
    if tokens.dtype not in (torch.int64, torch.int32) or tokens.device != table.device:
        raise UserError(f"Tokens must be {required}. Got {tokens.dtype} on {tokens.device}.")


def look_up(tokens: Int[Tensor, "*N"], table: Float[Tensor, "V E"]) -> Float[Tensor, "*N E"]:
    """The row of each token.

    Raises:
        UserError: a token is not an index of the table, which is checked on the CPU only, or not of an
            integer type on its device.
    """
    check_tokens(tokens, table)
    try:
        return functional.embedding(tokens, table)
    except IndexError:
        raise wrong_token(tokens, table) from None


def wrong_token(tokens: Int[Tensor, "*N"], table: Float[Tensor, "V E"]) -> UserError:
    """The error for the first token that is not an index of its table."""
    wrong = next(token for token in tokens.flatten().tolist() if not 0 <= token < table.shape[0])
    return UserError(
        f"Tokens must be within 0 to {table.shape[0] - 1}, the rows of their table. Got {wrong}."
    )


@dataclass(frozen=True)
class Lookup:
    """Vectors of tokens that are not yet looked up in their table.

    A layer that multiplies them by a matrix may multiply the table instead, once per row of the table.

    Raises:
        UserError: tokens are not of an integer type on the device of the table.
    """

    tokens: Int[Tensor, "B T"]
    table: Float[Tensor, "V E"]

    def __post_init__(self) -> None:
        check_tokens(self.tokens, self.table)

    @cached_property
    def vectors(self) -> Float[Tensor, "B T E"]:
        """A vector for each token, looked up once."""
        return look_up(self.tokens, self.table)

    @cached_property
    def shape(self) -> torch.Size:
        """Shape of the vectors, (B, T, E)."""
        return torch.Size((*self.tokens.shape, self.table.shape[1]))

    @property
    def dtype(self) -> torch.dtype:
        """Type of the vectors."""
        return self.table.dtype

    @property
    def device(self) -> torch.device:
        """Device of the table, and of the tokens."""
        return self.table.device


class Embedding(nn.Embedding):
    """torch.nn.Embedding: token k is row k of `weight`, (V, E).

    With a `reader`, training steps get their vectors from it, because rows of `weight` may be out of date.
    """

    reader: Reader | None = None

    def forward(self, input: Int[Tensor, "*N"]) -> Float[Tensor, "*N E"]:
        """A vector for each token."""
        if self.reader is not None and self._learns:
            check_tokens(input, self.weight)
            return self.reader(input)
        return look_up(input, self.weight)

    def lookup(self, tokens: Int[Tensor, "B T"]) -> Lookup | Float[Tensor, "B T E"]:
        """The same for a layer that can read the table itself; vectors where a reader provides them."""
        return self(tokens) if self.reader is not None and self._learns else Lookup(tokens, self.weight)

    @property
    def rows(self) -> Float[Tensor, "V E"]:
        """The vector of each token of the vocabulary."""
        return self.weight

    @property
    def _learns(self) -> bool:
        return self.training and torch.is_grad_enabled() and self.weight.requires_grad


class Fixed(nn.Module):
    """An embedding that is not learned: token k is row k of a given table.

    Args:
        table: (V, E) float32.
    """

    def __init__(self, table: Float[Tensor, "V E"]):
        super().__init__()
        self.embedding_dim = table.shape[1]
        # A buffer, so that it follows the model to another type or device; not part of the state dict,
        # because the configuration determines it.
        self.register_buffer("table", table, persistent=False)

    def forward(self, tokens: Int[Tensor, "*N"]) -> Float[Tensor, "*N E"]:
        """A vector for each token."""
        return look_up(tokens, self.get_buffer("table"))

    @property
    def rows(self) -> Float[Tensor, "V E"]:
        """The vector of each token of the vocabulary."""
        return self.get_buffer("table")

    def lookup(self, tokens: Int[Tensor, "B T"]) -> Lookup:
        """The same for a layer that can read the table itself."""
        return Lookup(tokens, self.get_buffer("table"))


class GivenVectors(nn.Module):
    """In place of an embedding: the tokens of one batch have these vectors, whatever tokens they are.

    Args:
        vectors: (B, T, E), to which gradients flow.
    """

    def __init__(self, vectors: Float[Tensor, "B T E"]):
        super().__init__()
        self.vectors = vectors
        self.embedding_dim = vectors.shape[2]

    def forward(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B T E"]:
        """The vectors."""
        assert tokens.shape == self.vectors.shape[:2], "one vector for each token"
        return self.vectors

    def lookup(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B T E"]:
        """The same for a layer that could read a table itself."""
        return self(tokens)


def embedded(
    embedding: Embedding | Fixed | GivenVectors, tokens: Int[Tensor, "B T"], *dropouts: Dropout
) -> Lookup | Float[Tensor, "B T E"]:
    """The input of layers: vectors after the dropouts, in order, or a `Lookup` where none drops anything."""
    if not any(dropout.active for dropout in dropouts):
        return embedding.lookup(tokens)
    x = embedding(tokens)
    for dropout in dropouts:
        x = dropout(x)
    return x


def vectors_of(x: Lookup | Float[Tensor, "B T E"]) -> Float[Tensor, "B T E"]:
    """Vectors, looked up if they are still in their table."""
    return x.vectors if isinstance(x, Lookup) else x
