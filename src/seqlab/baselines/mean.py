"""The constant number. Legend: N texts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
from typing_extensions import override

from seqlab.baselines.baseline import Arrays, Baseline, Floats, TargetScores
from seqlab.data.dataset import Split
from seqlab.data.ragged import Ragged


class MeanNumber(Baseline):
    """The mean number of the training texts, whatever the text.

    >>> from seqlab.data.ragged import ragged
    >>> split = Split(ragged([[], []]), targets=np.array([1.0, 4.0]))
    >>> MeanNumber.fit(split).answer(split.text).tolist()
    [[2.5], [2.5]]
    """

    causal: ClassVar[bool] = False

    def __init__(self, mean: Floats):
        """The baseline of this mean, (1,)."""
        self._mean = mean

    @classmethod
    def fit(cls, train: Split) -> MeanNumber:
        """The mean of the training split."""
        assert train.targets is not None, "checked when the task was built"
        return cls(np.array([train.targets.mean()]))

    @override
    def arrays(self) -> Arrays:
        return {"mean": self._mean}

    def parameters(self) -> dict[str, int]:
        """One number."""
        return {"mean": 1}

    def score(self, split: Split, *, dense: bool) -> Iterator[TargetScores]:
        """See `Baseline.score`; the loss is that of the task `regress`."""
        assert split.targets is not None, "checked when the task was built"
        predicted, targets = self.answer(split.text), np.array(split.targets)
        nats = (targets - predicted[:, 0]) ** 2 / 2 + np.log(2 * np.pi) / 2
        yield TargetScores(nats, targets, np.zeros(len(split), np.int64), predicted)

    def answer(self, rows: Ragged) -> Floats:
        """The same for every text; see `Baseline.answer`."""
        return np.tile(self._mean, (len(rows), 1))
