"""Sequences of texts made from others, which may read them from a file whenever they are iterated over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, compress

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override


class KeptTexts(Sequence[str]):
    """Some texts of a sequence, in their order.

    Args:
        texts: all of them.
        kept: whether each of them is kept.
    """

    def __init__(self, texts: Sequence[str], kept: NDArray[np.bool_]):
        self._texts, self._kept = texts, kept

    @override
    def __len__(self) -> int:
        return int(self._kept.sum())

    @override
    def __iter__(self) -> Iterator[str]:
        return compress(self._texts, self._kept.tolist())

    def __getitem__(self, index: int) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self._texts[int(np.flatnonzero(self._kept)[index])]


class JoinedTexts(Sequence[str]):
    """The texts of several sequences, one after the other.

    >>> list(JoinedTexts(["a", "b"], [], ["c"])), JoinedTexts(["a", "b"], ["c"])[2]
    (['a', 'b', 'c'], 'c')
    """

    def __init__(self, *parts: Sequence[str]):
        self._parts = parts

    @override
    def __len__(self) -> int:
        return sum(map(len, self._parts))

    @override
    def __iter__(self) -> Iterator[str]:
        return chain.from_iterable(self._parts)

    def __getitem__(self, index: int) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        begin = 0
        for part in self._parts:
            if index < begin + len(part):
                return part[index - begin]
            begin += len(part)
        raise IndexError(index)
