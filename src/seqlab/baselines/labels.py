"""What baselines for labels share. Legend: N texts, K labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from seqlab.baselines.baseline import Floats, TargetScores
from seqlab.data.dataset import Split

TEXTS_AT_ONCE = 4096
"""Texts that are scored together: bounds memory, changes no number."""


def score_labels(split: Split, predict: Callable[[Split], Floats]) -> Iterator[TargetScores]:
    """Score every text's label, in pieces.

    Args:
        split: texts with labels.
        predict: log probabilities (N, K) of the labels of texts, of each text independently.
    """
    assert split.labels is not None, "checked when the task was built"
    for begin in range(0, len(split), TEXTS_AT_ONCE):
        part = slice_texts(split, begin, begin + TEXTS_AT_ONCE)
        outputs, targets = predict(part), np.array(split.labels[begin : begin + TEXTS_AT_ONCE])
        nats = -outputs[np.arange(len(part)), targets]
        yield TargetScores(nats, targets, np.zeros(len(part), np.int64), outputs)


def slice_texts(split: Split, begin: int, end: int) -> Split:
    """The texts from `begin` up to `end`, without labels.

    >>> part = slice_texts(Split(np.arange(5, dtype=np.int32), np.array([0, 2, 2, 5])), 1, 9)
    >>> part.tokens.tolist(), part.offsets.tolist()
    ([2, 3, 4], [0, 0, 3])
    """
    offsets = split.offsets[begin : end + 1]
    return Split(split.tokens[offsets[0] : offsets[-1]], offsets - offsets[0])
