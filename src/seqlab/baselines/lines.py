"""Texts as a model of the next token reads them. Legend: N tokens, start and end tokens among them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqlab.baselines.baseline import Integers
from seqlab.data.ragged import Ragged
from seqlab.data.tokenizers.vocabulary import Vocabulary


class Lines(NamedTuple):
    """Texts one behind the other, each with the start token before it, and the end token where there is one.

    tokens (N,). places (N,): where in its text each one stands; 0 is the start token, all others are targets.
    """

    tokens: Integers
    places: Integers


def lines(texts: Ragged, vocabulary: Vocabulary) -> Lines:
    """The texts of a split with the tokens that are around them.

    >>> texts = Ragged(np.array([5, 6, 7], np.int32), np.array([0, 2, 3]))
    >>> [part.tolist() for part in lines(texts, Vocabulary(("s", "e"), start=0, end=1))]
    [[0, 5, 6, 1, 0, 7, 1], [0, 1, 2, 3, 0, 1, 2]]
    """
    assert vocabulary.start is not None, "checked when the task was built"
    lengths = texts.lengths + (1 if vocabulary.end is None else 2)
    found = bare(Ragged(np.full(int(lengths.sum()), vocabulary.start, np.int32), _offsets(lengths)))
    inside = (found.places > 0) & (found.places <= np.repeat(texts.lengths, lengths))
    found.tokens[inside] = texts.tokens
    if vocabulary.end is not None:
        found.tokens[np.cumsum(lengths) - 1] = vocabulary.end
    return found


def bare(rows: Ragged) -> Lines:
    """Rows of tokens that have their start token already."""
    return Lines(
        rows.tokens.astype(np.int64), np.arange(len(rows.tokens)) - np.repeat(rows.offsets[:-1], rows.lengths)
    )


def _offsets(lengths: Integers) -> Integers:
    return np.concatenate([[0], np.cumsum(lengths)])
