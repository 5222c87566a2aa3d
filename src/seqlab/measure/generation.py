"""How varied generated texts are, and how much of them is copied. Legend: Q n-grams that are looked up.

An n-gram is n tokens in a row of one text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqlab.data.ragged import Ragged, ragged

Integers = NDArray[np.int64]

DISTINCT, REPEATED, COPIED = (1, 2, 3), 4, (2, 3, 4, 5)
"""Sizes of n-grams: of `distinct`, of `repetition`, and of `copied`."""
CHUNK = 1 << 20
"""Tokens of the training text that are looked up at a time."""


def distinct(texts: Ragged, size: int) -> float | None:
    """Different n-grams over all n-grams, of all texts together; 1 where none occurs twice.

    Li et al. (2016) divide by the number of tokens in place of n-grams. Only as many texts of equal lengths
    can be compared: more and longer ones repeat more n-grams. None where no text is that long.

    >>> distinct(Ragged(np.array([1, 2, 1, 2, 3]), np.array([0, 3, 5])), 2)
    1.0
    >>> distinct(Ragged(np.array([1, 2, 1, 2, 3]), np.array([0, 5])), 2)
    0.75
    """
    grams = _grams(texts, size)
    return len(np.unique(grams, axis=0)) / len(grams) if len(grams) else None


def repetition(texts: Ragged, size: int = REPEATED) -> float | None:
    """Mean over texts of 1 - different n-grams / n-grams: seq-rep-n of Welleck et al. (2020).

    Texts shorter than an n-gram do not count. None where all are.

    >>> repetition(Ragged(np.array([1, 2, 1, 2, 1, 3, 4]), np.array([0, 5, 7])), 2)
    0.25
    """
    shares = [
        1 - found
        for text in texts
        if (found := distinct(Ragged(text, np.array([0, len(text)])), size)) is not None
    ]
    return float(np.mean(shares)) if shares else None


def copied(texts: Ragged, training: Ragged, sizes: Sequence[int] = COPIED) -> dict[int, float | None]:
    """The share of n-grams of texts that occur in the training texts, for each size, in rising order.

    Exact: an n-gram is looked up as the number of its first n - 1 tokens among those that were asked for, and
    its last token. So a look-up needs memory for the texts, not for the training texts, of which each is read
    once. None where no text is that long.
    """
    longest = max(sizes)
    asked = _asked(texts, longest)
    seen = [np.zeros(len(level.keys), dtype=np.bool_) for level in asked]
    for begin in range(0, len(training.tokens), CHUNK):
        _look_up(training, np.arange(begin, min(begin + CHUNK, len(training.tokens))), asked, seen)
    return {
        level.size: float(found[level.numbers].mean()) if len(level.numbers) else None
        for level, found in zip(asked, seen, strict=True)
        if level.size in sizes
    }


@dataclass(frozen=True)
class _GramLevel:
    """The n-grams of one size that are asked for.

    keys: (Q,) of the different ones, sorted: number of the first n - 1 tokens * radix + last token.
    numbers: index in `keys` of each n-gram of the texts. radix: above all ids.
    """

    size: int
    keys: Integers
    numbers: Integers
    radix: int


def _asked(texts: Ragged, longest: int) -> list[_GramLevel]:
    """The n-grams of texts of each size from 2 on."""
    levels: list[_GramLevel] = []
    at = np.arange(len(texts.tokens))
    numbers = texts.tokens.astype(np.int64)
    radix = int(numbers.max(initial=0)) + 1
    for size in range(2, longest + 1):
        within = at + size <= _ends(texts, at)
        at, numbers = at[within], numbers[within]
        keys, numbers = np.unique(numbers * radix + texts.tokens[at + size - 1], return_inverse=True)
        levels.append(_GramLevel(size, keys, numbers, radix))
    return levels


def _look_up(
    training: Ragged, at: Integers, asked: Sequence[_GramLevel], seen: Sequence[NDArray[np.bool_]]
) -> None:
    """Mark the n-grams that begin at these tokens of the training texts."""
    ends = _ends(training, at)
    numbers = training.tokens[at].astype(np.int64)
    known = numbers < asked[0].radix
    for level, found in zip(asked, seen, strict=True):
        known &= at + level.size <= ends
        at, ends, numbers = at[known], ends[known], numbers[known]
        last = training.tokens[at + level.size - 1]
        keys = numbers * level.radix + last
        numbers = np.searchsorted(level.keys, keys)
        # An id above all that are asked for would read as another key.
        known = (numbers < len(level.keys)) & (last < level.radix)
        known[known] = level.keys[numbers[known]] == keys[known]
        found[numbers[known]] = True


def _ends(texts: Ragged, at: Integers) -> Integers:
    """The index after the last token of the text of each token."""
    return texts.offsets[np.searchsorted(texts.offsets, at, side="right")]


def _grams(texts: Ragged, size: int) -> NDArray[np.int32]:
    """(n-grams, size) of all texts."""
    at = np.arange(len(texts.tokens))
    at = at[at + size <= _ends(texts, at)]
    return texts.tokens[at[:, None] + np.arange(size)]


def excerpts(texts: Ragged, count: int, length: int, *, running: bool) -> Ragged:
    """Texts at equal distances cut to a length; of a running text as many parts of it, if it has them.

    >>> text = Ragged(np.arange(7), np.array([0, 7]))
    >>> [part.tolist() for part in excerpts(text, 2, 3, running=True)]
    [[0, 1, 2], [4, 5, 6]]
    """
    if not running:
        chosen = np.unique(np.linspace(0, len(texts) - 1, min(count, len(texts))).round().astype(np.int64))
        return ragged([texts[row][:length] for row in chosen.tolist()])
    tokens = texts.tokens
    size = min(length, len(tokens))
    count = min(count, max(1, len(tokens) // max(1, size)))
    begins = np.linspace(0, len(tokens) - size, count).round().astype(np.int64)
    return ragged([tokens[begin : begin + size] for begin in begins.tolist()])
