"""What baselines for labels share. Legend: N texts, K labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from seqlab.baselines.baseline import Floats, TargetScores
from seqlab.data.dataset import Split
from seqlab.data.ragged import Ragged

TEXTS_AT_ONCE = 4096
"""Texts that are scored together: bounds memory, changes no number."""


def score_labels(split: Split, predict: Callable[[Ragged], Floats]) -> Iterator[TargetScores]:
    """Score every text's label, in pieces.

    Args:
        split: texts with labels.
        predict: log probabilities (N, K) of the labels of texts, of each text independently.
    """
    assert split.targets is not None, "checked when the task was built"
    for begin in range(0, len(split), TEXTS_AT_ONCE):
        part = split.text.slice(begin, begin + TEXTS_AT_ONCE)
        outputs, targets = predict(part), np.array(split.targets[begin : begin + TEXTS_AT_ONCE], np.int64)
        nats = -outputs[np.arange(len(part)), targets]
        yield TargetScores(nats, targets, np.zeros(len(part), np.int64), outputs)
