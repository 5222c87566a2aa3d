"""The constant classifier. Legend: N texts, K labels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
from typing_extensions import override

from seqlab.baselines.baseline import Arrays, Baseline, Floats, Integers, TargetScores
from seqlab.baselines.labels import scored
from seqlab.data.dataset import Split
from seqlab.data.ragged import Ragged


class Majority(Baseline):
    """p(k) = (n_k + 1) / (N + K), where n_k of N training texts have label k of K.

    >>> from seqlab.data.ragged import ragged
    >>> split = Split(ragged([[], [], []]), targets=np.array([1, 1, 0]))
    >>> np.exp(Majority.fit(split, 2).answer(split.text))[0].round(9).tolist()
    [0.4, 0.6]
    """

    causal: ClassVar[bool] = False

    def __init__(self, counts: Integers):
        """The classifier of these counts of labels, (K,)."""
        self._counts = counts
        self._chances = np.log((counts + 1) / (counts.sum() + len(counts)))

    @classmethod
    def fit(cls, train: Split, classes: int) -> Majority:
        """Count the labels of the training split."""
        assert train.targets is not None, "checked when the task was built"
        return cls(np.bincount(train.targets, minlength=classes))

    @override
    def arrays(self) -> Arrays:
        return {"counts": self._counts}

    def parameters(self) -> dict[str, int]:
        """One count a label."""
        return {"labels": len(self._counts)}

    @override
    def score(self, split: Split, *, dense: bool) -> Iterator[TargetScores]:
        return scored(split, self.answer)

    def answer(self, rows: Ragged) -> Floats:
        """The same for every text; see `Baseline.answer`."""
        return np.tile(self._chances, (len(rows), 1))
