"""What baselines for labels share. Legend: N texts, K labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from seqlab.baselines.baseline import Floats, TargetScores
from seqlab.data.dataset import Split

TEXTS_AT_ONCE = 4096
"""Texts that are scored together: bounds memory, changes no number."""


def scored(split: Split, answer: Callable[[Split], Floats]) -> Iterator[TargetScores]:
    """Every text's label, in pieces.

    Args:
        split: texts with labels.
        answer: log probabilities (N, K) of the labels of texts, each text's on its own.
    """
    assert split.labels is not None, "checked when the task was built"
    for begin in range(0, len(split), TEXTS_AT_ONCE):
        part = texts(split, begin, begin + TEXTS_AT_ONCE)
        probabilities, targets = answer(part), np.array(split.labels[begin : begin + TEXTS_AT_ONCE])
        nats = -probabilities[np.arange(len(part)), targets]
        yield TargetScores(nats, targets, np.zeros(len(part), np.int64), probabilities)


def texts(split: Split, begin: int, end: int) -> Split:
    """The texts from `begin` up to `end`, without labels.

    >>> part = texts(Split(np.arange(5, dtype=np.int32), np.array([0, 2, 2, 5])), 1, 9)
    >>> part.tokens.tolist(), part.offsets.tolist()
    ([2, 3, 4], [0, 0, 3])
    """
    offsets = split.offsets[begin : end + 1]
    return Split(split.tokens[offsets[0] : offsets[-1]], offsets - offsets[0])
