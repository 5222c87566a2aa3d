"""The constant classifier. Legend: N texts, K labels."""

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
from seqlab.baselines.labels import score_labels
from seqlab.data.dataset import Split
from seqlab.data.ragged import Ragged
from seqlab.models.token_effects import LOG_ODDS, TokenEffects


class MajorityConfig(BaselineConfig):
    """Labels as often as in training, whatever the text: p(k) = (n_k + 1) / (N + K).

    The one added to each of K counts keeps the loss finite. On any data with labels it is the constant
    predictor; its accuracy is the share of the most frequent label.
    """

    kind: Literal["majority"] = "majority"
    """Name of the baseline."""
    task: ClassVar[str] = "classify"

    @override
    def fit(self, context: FitContext, train: Split) -> Baseline:
        return Majority.fit(train, len(context.labels))

    @override
    def restore(self, context: FitContext, arrays: Arrays) -> Baseline:
        return Majority(arrays["counts"])


class Majority(Baseline):
    """p(k) = (n_k + 1) / (N + K), where n_k of N training texts have label k of K.

    >>> from seqlab.data.ragged import ragged
    >>> split = Split(ragged([[], [], []]), targets=np.array([1, 1, 0]))
    >>> np.exp(Majority.fit(split, 2).predict(split.text))[0].round(9).tolist()
    [0.4, 0.6]
    """

    causal: ClassVar[bool] = False

    def __init__(self, counts: Integers):
        """The classifier of these counts of labels, (K,)."""
        self._counts = counts
        self._log_probabilities = np.log((counts + 1) / (counts.sum() + len(counts)))

    @classmethod
    def fit(cls, train: Split, classes: int) -> Majority:
        """Count the labels of the training split."""
        assert train.targets is not None, "checked when the task was built"
        return cls(np.bincount(train.targets.astype(np.int64), minlength=classes))

    @override
    def arrays(self) -> Arrays:
        return {"counts": self._counts}

    @override
    def parameters(self) -> dict[str, int]:
        return {"labels": len(self._counts)}

    @override
    def score(self, split: Split, *, dense: bool) -> Iterator[TargetScores]:
        return score_labels(split, self.predict)

    @override
    def token_effects(self, tokens: Integers, output: int) -> TokenEffects:
        share = np.exp(self._log_probabilities[output])
        return TokenEffects(np.zeros(len(tokens)), float(np.log(share / (1 - share))), LOG_ODDS)

    @override
    def predict(self, rows: Ragged) -> Floats:
        return np.tile(self._log_probabilities, (len(rows), 1))
