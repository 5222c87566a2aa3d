"""Short sequences first."""

from __future__ import annotations

import numpy as np

from seqlab.data.dataset import Split


def short_first(split: Split, epoch: int, epochs: int) -> Split:
    """The part of a split that an epoch (from 0) learns from; the first `epochs` prefer short texts.

    Epoch k of n, from 1, has the shortest k / (n + 1) of all sequences; later epochs have all of them.

    >>> from seqlab.data.ragged import Ragged
    >>> split = Split(Ragged(np.arange(6, dtype=np.int32), np.array([0, 3, 4, 6])))
    >>> [short_first(split, epoch, 2).text.lengths.tolist() for epoch in range(3)]
    [[1], [1, 2], [3, 1, 2]]
    """
    if epoch >= epochs:
        return split
    count = max(1, len(split) * (epoch + 1) // (epochs + 1))
    return split.select(np.sort(np.argsort(split.text.lengths, kind="stable")[:count]))
