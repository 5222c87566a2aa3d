"""The constant number. Legend: N texts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

import numpy as np
from typing_extensions import override

from seqlab.baselines.baseline import (
    Arrays,
    Baseline,
    BaselineConfig,
    FitContext,
    Floats,
    Integers,
    TargetScores,
)
from seqlab.data.dataset import Split
from seqlab.data.ragged import Ragged
from seqlab.models.token_effects import NUMBER_ITSELF, TokenEffects


class MeanConfig(BaselineConfig):
    """The mean number of the training texts, whatever the text: the best constant under squared error."""

    kind: Literal["mean"] = "mean"
    """Name of the baseline."""
    task: ClassVar[str] = "regress"

    @override
    def fit(self, context: FitContext, train: Split) -> Baseline:
        return MeanNumber.fit(train)

    @override
    def restore(self, context: FitContext, arrays: Arrays) -> Baseline:
        return MeanNumber(arrays["mean"])


class MeanNumber(Baseline):
    """The mean number of the training texts, whatever the text.

    >>> from seqlab.data.ragged import ragged
    >>> split = Split(ragged([[], []]), targets=np.array([1.0, 4.0]))
    >>> MeanNumber.fit(split).predict(split.text).tolist()
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

    @override
    def parameters(self) -> dict[str, int]:
        return {"mean": 1}

    @override
    def score(self, split: Split, *, dense: bool) -> Iterator[TargetScores]:
        assert split.targets is not None, "checked when the task was built"
        predicted, targets = self.predict(split.text), np.array(split.targets)
        # The density of a normal distribution with variance 1, as in the task `regress`.
        nats = (targets - predicted[:, 0]) ** 2 / 2 + np.log(2 * np.pi) / 2
        yield TargetScores(nats, targets, np.zeros(len(split), np.int64), predicted)

    @override
    def token_effects(self, tokens: Integers, output: int) -> TokenEffects:
        return TokenEffects(np.zeros(len(tokens)), float(self._mean[0]), NUMBER_ITSELF)

    @override
    def predict(self, rows: Ragged) -> Floats:
        return np.tile(self._mean, (len(rows), 1))
