"""Texts as a model of the next token reads them. Legend: N tokens, start and end tokens among them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqlab.baselines.baseline import Integers
from seqlab.data.ragged import Ragged
from seqlab.data.tokenizers.vocabulary import Vocabulary


class TokenStream(NamedTuple):
    """Concatenated texts, each with the start token before it, and the end token after it if there is one.

    tokens (N,). positions (N,): index of each token in its text; 0 is the start token, the rest are targets.
    """

    tokens: Integers
    positions: Integers


def stream_of(texts: Ragged, vocabulary: Vocabulary) -> TokenStream:
    """The texts of a split, with start and end tokens added.

    >>> texts = Ragged(np.array([5, 6, 7], np.int32), np.array([0, 2, 3]))
    >>> [part.tolist() for part in stream_of(texts, Vocabulary(("s", "e"), start=0, end=1))]
    [[0, 5, 6, 1, 0, 7, 1], [0, 1, 2, 3, 0, 1, 2]]
    """
    assert vocabulary.start is not None, "checked when the task was built"
    lengths = texts.lengths + (1 if vocabulary.end is None else 2)
    stream = started_stream(
        Ragged(np.full(int(lengths.sum()), vocabulary.start, np.int32), _offsets(lengths))
    )
    inside = (stream.positions > 0) & (stream.positions <= np.repeat(texts.lengths, lengths))
    stream.tokens[inside] = texts.tokens
    if vocabulary.end is not None:
        stream.tokens[np.cumsum(lengths) - 1] = vocabulary.end
    return stream


def started_stream(rows: Ragged) -> TokenStream:
    """Rows of tokens that already begin with the start token."""
    return TokenStream(
        rows.tokens.astype(np.int64), np.arange(len(rows.tokens)) - np.repeat(rows.offsets[:-1], rows.lengths)
    )


def _offsets(lengths: Integers) -> Integers:
    return np.concatenate([[0], np.cumsum(lengths)])
