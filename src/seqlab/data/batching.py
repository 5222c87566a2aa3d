"""Cutting a split into batches: padded rows of similar length, or windows of a stream.

Every plan is a function of (lengths, settings, seed), so a run can go on at any batch of any epoch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from seqlab.data.dataset import Split
from seqlab.schema.config import Config
from seqlab.schema.errors import UserError

Rows = NDArray[np.int64]


class Batching(Config, ABC):
    """How a split is cut."""

    kind: str
    """Name of the way."""
    contiguous: ClassVar[bool] = False
    """Whether row i of a batch goes on where row i of the batch before ended."""


class SequenceBatching(Batching, ABC):
    """Whole sequences."""

    sorts: ClassVar[bool] = True
    """Whether the sequences of a pool are sorted by length before they are cut into batches."""

    @abstractmethod
    def cut(self, sorted_lengths: Rows) -> list[int]:
        """Where batches begin among sequences sorted by length, 0 first."""

    @abstractmethod
    def pool_size(self, lengths: Rows) -> int:
        """Sequences sorted together."""

    def order(self, lengths: Rows) -> Rows:
        """The sequences in the order in which a plan without a seed has them: by length, whatever the cut."""
        return np.argsort(lengths, kind="stable")

    def plan(self, lengths: Rows, seed: int | None) -> list[Rows]:
        """The sequences of each batch: all of them, each once.

        Args:
            lengths: tokens of each sequence.
            seed: fixes which sequences meet and the order of batches; None sorts the whole split by
                length and keeps that order.
        """
        if seed is None:
            order = self.order(lengths)
            return np.split(order, self.cut(lengths[order])[1:]) if len(order) else []
        random = np.random.default_rng(seed)
        shuffled = random.permutation(len(lengths))
        size = self.pool_size(lengths)
        batches: list[Rows] = []
        for begin in range(0, len(shuffled), size):
            pool = shuffled[begin : begin + size]
            if self.sorts:
                pool = pool[np.argsort(lengths[pool], kind="stable")]
            batches += np.split(pool, self.cut(lengths[pool])[1:])
        return [batches[index] for index in random.permutation(len(batches))]


class SortedBatching(SequenceBatching, ABC):
    """Sequences of similar length together."""

    pool: int = Field(default=100, ge=1)
    """So many batches' worth of shuffled sequences are sorted by length together: 1 shuffles most and
    pads most, more pads less."""


class SequencesConfig(SortedBatching):
    """`batch_size` sequences per batch; the last one of a pool may have fewer."""

    kind: Literal["sequences"] = "sequences"
    """Name of the way."""
    batch_size: int = Field(default=32, ge=1)
    """Sequences per batch."""

    def cut(self, sorted_lengths: Rows) -> list[int]:
        """Every `batch_size` sequences; see `SequenceBatching.cut`."""
        return list(range(0, len(sorted_lengths), self.batch_size))

    def pool_size(self, lengths: Rows) -> int:
        """A multiple of `batch_size`, so that only the last pool ends with a partial batch."""
        return self.batch_size * self.pool


class TokensConfig(SortedBatching):
    """As many sequences as fit a budget of padded tokens (rows times the longest)."""

    kind: Literal["tokens"] = "tokens"
    """Name of the way."""
    tokens: int = Field(default=5000, ge=1)
    """Padded tokens a batch, at most."""

    def cut(self, sorted_lengths: Rows) -> list[int]:
        """Greedily; see `SequenceBatching.cut`."""
        _check_budget(self.tokens, sorted_lengths)
        starts = [0]
        for index, length in enumerate(sorted_lengths.tolist()):
            if (index + 1 - starts[-1]) * length > self.tokens:
                starts.append(index)
        return starts

    def pool_size(self, lengths: Rows) -> int:
        """Sequences that fill about `pool` batches."""
        mean = max(1.0, float(lengths.mean())) if len(lengths) else 1.0
        return max(1, int(self.pool * self.tokens / mean))


class PackedConfig(SequenceBatching):
    """As many sequences as fit a budget of tokens, padding not counted, of whatever lengths.

    Padding costs recurrent layers and the output layer no arithmetic, so nothing has to be sorted and every
    batch has about as many tokens to learn from.
    """

    kind: Literal["packed"] = "packed"
    """Name of the way."""
    tokens: int = Field(default=5000, ge=1)
    """Tokens a batch, at most."""
    sorts: ClassVar[bool] = False

    def cut(self, sorted_lengths: Rows) -> list[int]:
        """Greedily; see `SequenceBatching.cut`."""
        _check_budget(self.tokens, sorted_lengths)
        starts, filled = [0], 0
        for index, length in enumerate(sorted_lengths.tolist()):
            filled += length
            if filled > self.tokens:
                starts.append(index)
                filled = length
        return starts

    def pool_size(self, lengths: Rows) -> int:
        """All of them."""
        return max(1, len(lengths))


class StreamConfig(Batching):
    """All tokens as one running text, cut into rows and read in windows, the state carried."""

    kind: Literal["stream"] = "stream"
    """Name of the way."""
    contiguous: ClassVar[bool] = True
    batch_size: int = Field(default=20, ge=1)
    """Contiguous parts read side by side."""
    sequence_length: int = Field(default=35, ge=1)
    """Tokens a row is unrolled over before its state is detached."""


def _check_budget(tokens: int, lengths: Rows) -> None:
    longest = lengths.max(initial=0)
    if longest > tokens:
        raise UserError(
            f"'batching.tokens' must be at least the longest sequence, {longest} tokens. Got {tokens}."
        )


def gather_rows(split: Split, rows: Rows) -> tuple[NDArray[np.int64], Rows]:
    """Tokens (B, T) of the named sequences, zeros behind each one's end, and their lengths (B,)."""
    begins = split.offsets[rows]
    lengths = split.offsets[rows + 1] - begins
    steps = np.arange(max(1, int(lengths.max(initial=0))))
    mask = steps < lengths[:, None]
    places = np.where(mask, begins[:, None] + steps, 0)
    tokens = split.tokens[places] if len(split.tokens) else np.zeros_like(places)
    return np.where(mask, tokens, 0).astype(np.int64), lengths
