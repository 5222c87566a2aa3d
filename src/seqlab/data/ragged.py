"""Sequences of different lengths in one flat array; free of torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Ragged:
    """Sequence i is `tokens[offsets[i]:offsets[i + 1]]`; tokens are int32 (N,), offsets int64 (B + 1,).

    >>> texts = Ragged(np.arange(6, dtype=np.int32), np.array([0, 3, 4, 6]))
    >>> len(texts), texts.lengths.tolist(), texts[2].tolist()
    (3, [3, 1, 2], [4, 5])
    >>> texts.select(np.array([2, 0])).tokens.tolist()
    [4, 5, 0, 1, 2]
    """

    tokens: NDArray[np.int32]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> NDArray[np.int32]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self.tokens[self.offsets[index] : self.offsets[index + 1]]

    def __iter__(self) -> Iterator[NDArray[np.int32]]:
        return (self[index] for index in range(len(self)))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each sequence."""
        return np.diff(self.offsets)

    def select(self, rows: NDArray[np.int64]) -> Ragged:
        """The named sequences, in that order."""
        lengths = self.lengths[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        indices = np.repeat(self.offsets[rows] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return Ragged(self.tokens[indices], offsets)

    def slice(self, begin: int, end: int) -> Ragged:
        """The sequences from `begin` up to `end`, without a copy of their tokens.

        >>> part = Ragged(np.arange(5, dtype=np.int32), np.array([0, 2, 2, 5])).slice(1, 9)
        >>> part.tokens.tolist(), part.offsets.tolist()
        ([2, 3, 4], [0, 0, 3])
        """
        offsets = self.offsets[begin : end + 1]
        return Ragged(self.tokens[offsets[0] : offsets[-1]], offsets - offsets[0])


def ragged(sequences: Sequence[Sequence[int] | NDArray[np.integer]]) -> Ragged:
    """Sequences one after the other.

    >>> ragged([[1, 2], [], [3]]).offsets.tolist()
    [0, 2, 2, 3]
    """
    offsets = np.cumsum([0, *map(len, sequences)], dtype=np.int64)
    tokens = np.concatenate(sequences) if len(sequences) else np.zeros(0)
    return Ragged(tokens.astype(np.int32), offsets)


def concatenate(first: Ragged, second: Ragged) -> Ragged:
    """The sequences of both, the first ones first."""
    tokens = np.concatenate([first.tokens, second.tokens])
    return Ragged(tokens, np.concatenate([first.offsets, second.offsets[1:] + first.offsets[-1]]))
