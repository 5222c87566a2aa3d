"""The constant number. Legend: N texts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
from typing_extensions import override

from seqlab.baselines.baseline import Arrays, Baseline, Floats, TargetScores
from seqlab.data.dataset import Split


class MeanNumber(Baseline):
    """The mean number of the training texts, whatever the text.

    >>> split = Split(np.zeros(0, np.int32), np.zeros(3, np.int64), numbers=np.array([1.0, 4.0]))
    >>> MeanNumber.fit(split).answer(split).tolist()
    [[2.5], [2.5]]
    """

    causal: ClassVar[bool] = False

    def __init__(self, mean: Floats):
        """The baseline of this mean, (1,)."""
        self._mean = mean

    @classmethod
    def fit(cls, train: Split) -> MeanNumber:
        """The mean of the training split."""
        assert train.numbers is not None, "checked when the task was built"
        return cls(np.array([train.numbers.mean()]))

    @override
    def arrays(self) -> Arrays:
        return {"mean": self._mean}

    def parameters(self) -> dict[str, int]:
        """One number."""
        return {"mean": 1}

    def score(self, split: Split, *, dense: bool) -> Iterator[TargetScores]:
        """See `Baseline.score`; the loss is that of the task `regress`."""
        assert split.numbers is not None, "checked when the task was built"
        predicted, targets = self.answer(split), np.array(split.numbers)
        nats = (targets - predicted[:, 0]) ** 2 / 2 + np.log(2 * np.pi) / 2
        yield TargetScores(nats, targets, np.zeros(len(split), np.int64), predicted)

    def answer(self, rows: Split) -> Floats:
        """The same for every text; see `Baseline.answer`."""
        return np.tile(self._mean, (len(rows), 1))
