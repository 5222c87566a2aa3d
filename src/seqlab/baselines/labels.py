"""What baselines for labels share. Legend: N texts, K labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from seqlab.baselines.baseline import Floats, TargetScores
from seqlab.data.dataset import Split
from seqlab.data.ragged import Ragged

TEXTS_AT_ONCE = 4096
"""Texts that are scored together: bounds memory, changes no number."""


def scored(split: Split, answer: Callable[[Ragged], Floats]) -> Iterator[TargetScores]:
    """Every text's label, in pieces.

    Args:
        split: texts with labels.
        answer: log probabilities (N, K) of the labels of texts, each text's on its own.
    """
    assert split.targets is not None, "checked when the task was built"
    for begin in range(0, len(split), TEXTS_AT_ONCE):
        part = split.text.slice(begin, begin + TEXTS_AT_ONCE)
        probabilities, targets = answer(part), np.array(split.targets[begin : begin + TEXTS_AT_ONCE], np.int64)
        nats = -probabilities[np.arange(len(part)), targets]
        yield TargetScores(nats, targets, np.zeros(len(part), np.int64), probabilities)
