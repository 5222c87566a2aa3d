"""Metrics of classifiers: each class counts the same, and what is taken for what. Legend: K classes."""

from __future__ import annotations

from abc import ABC
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from seqlab.measure.metric import Scored, TargetMetric, nothing_scored
from seqlab.measure.odds import log_odds_of_logs, tied
from seqlab.models.input_spec import Output
from seqlab.schema.errors import UserError
from seqlab.schema.records import Matrix, Record, Scalar

MOST_CLASSES = 1_000
"""Classes for which a K x K matrix, or every target's K scores, are kept."""

Counts = NDArray[np.int64]


class LabelCounts(TargetMetric, ABC):
    """Counts the targets, the predictions and the hits of each class."""

    def __init__(self, unit: str, labels: tuple[str, ...] = ()):
        super().__init__(unit, labels)
        self._counts: Counts | None = None

    @override
    def update(self, scored: Scored) -> None:
        classes = scored.logits.shape[-1]
        targets = scored.targets.cpu().numpy()
        predicted = scored.logits.argmax(dim=-1).cpu().numpy()
        kinds = (targets, predicted, targets[targets == predicted])
        counts = np.stack([np.bincount(kind, minlength=classes) for kind in kinds])
        self._counts = counts if self._counts is None else self._counts + counts

    def counts(self, split: str) -> Counts:
        """Targets, predictions and hits of each class, (3, K).

        Raises:
            UserError: nothing was counted.
        """
        if self._counts is None or not self._counts.any():
            raise nothing_scored(split)
        return self._counts

    def scores(self, split: str) -> NDArray[np.float64]:
        """Precision, recall and F1 = 2 hits / (targets + predictions) of each class, (3, K).

        Without predictions a precision is 0, without targets a recall.

        Raises:
            UserError: nothing was counted.
        """
        targets, predicted, hits = self.counts(split)
        return np.stack([hits, hits, 2 * hits]) / np.maximum([predicted, targets, targets + predicted], 1)


class LabelScores(LabelCounts):
    """Precision, recall and F1 of each class, and the number of its targets; see `LabelCounts.scores`."""

    outputs: ClassVar[tuple[Output, ...]] = ("class",)
    most_outputs: ClassVar[int | None] = MOST_CLASSES

    @override
    def records(self, split: str) -> list[Record]:
        """One matrix, `label_scores`: a row for each class."""
        values = [*self.scores(split), self.counts(split)[0]]
        rows = np.stack(values, axis=1).tolist()
        return [
            Matrix(
                name="label_scores",
                rows=self.labels or tuple(str(index) for index in range(len(rows))),
                columns=("precision", "recall", "f1", f"{self.unit}s"),
                values=tuple(map(tuple, rows)),
                unit=f"fraction; last column: {self.unit}s",
                split=split,
            )
        ]


class Macro(LabelCounts, ABC):
    """The mean of a score over the classes that occur among the targets or the predictions."""

    row: ClassVar[int]
    name: ClassVar[str]

    @override
    def records(self, split: str) -> list[Record]:
        occurs = self.counts(split).any(axis=0)
        value = float(np.mean(self.scores(split)[self.row][occurs]))
        unit = f"fraction, mean over classes of {self.unit}s"
        return [Scalar(name=self.name, value=value, unit=unit, split=split)]


class MacroPrecision(Macro):
    """Mean over classes of precision = hits / predictions, 0 without predictions; see `Macro`."""

    row, name = 0, "macro_precision"


class MacroRecall(Macro):
    """Mean over classes of recall = hits / targets, 0 without targets; see `Macro`."""

    row, name = 1, "macro_recall"


class MacroF1(Macro):
    """Mean over classes of F1 = 2 hits / (targets + predictions); see `Macro`."""

    row, name = 2, "macro_f1"


class Auc(TargetMetric):
    """Probability that a target of a class gets more of it than one of another class; a tie counts half.

    Probabilities that are equal but for rounding are ties. Two classes: of the second one. More: the mean
    over the classes that occur among the targets, each against all others. Every target's scores are kept,
    8 K bytes each.
    """

    most_outputs: ClassVar[int | None] = MOST_CLASSES
    distinct_targets: ClassVar[int] = 2

    def __init__(self, unit: str, labels: tuple[str, ...] = ()):
        super().__init__(unit, labels)
        self._scores: list[NDArray[np.float64]] = []
        self._targets: list[Counts] = []

    def update(self, scored: Scored) -> None:
        """Keep the log odds of some targets: they have the order of the probabilities."""
        self._scores.append(log_odds_of_logs(scored.logits.double().log_softmax(dim=-1).cpu().numpy()))
        self._targets.append(scored.targets.cpu().numpy())

    def records(self, split: str) -> list[Record]:
        """One scalar, `auc`; see `Metric.records`.

        Raises:
            UserError: nothing was counted, or targets of one class only.
        """
        targets = np.concatenate([np.zeros(0, np.int64), *self._targets])
        if not len(targets):
            raise nothing_scored(split)
        found = np.unique(targets)
        if len(found) < 2:
            raise UserError(
                f"Metric 'auc' needs targets of at least 2 classes. Got 1 in split {split!r}. "
                "Nearest: 'accuracy'."
            )
        scores = np.concatenate(self._scores)
        classes = [1] if scores.shape[1] == 2 else found.tolist()
        value = float(np.mean([area(tied(scores[:, index]), targets == index) for index in classes]))
        unit = f"fraction of pairs of {self.unit}s"
        return [Scalar(name="auc", value=value, unit=unit, split=split)]


class Confusion(TargetMetric):
    """How many targets of each class were taken for each class."""

    most_outputs: ClassVar[int | None] = MOST_CLASSES

    def __init__(self, unit: str, labels: tuple[str, ...] = ()):
        super().__init__(unit, labels)
        self._counts: Counts | None = None

    def update(self, scored: Scored) -> None:
        """Count some targets."""
        classes = scored.logits.shape[-1]
        pairs = (scored.targets * classes + scored.logits.argmax(dim=-1)).cpu().numpy()
        counts = np.bincount(pairs, minlength=classes**2).reshape(classes, classes)
        self._counts = counts if self._counts is None else self._counts + counts

    def records(self, split: str) -> list[Record]:
        """One matrix, `confusion_matrix`: a row for each target's class, a column for the predicted one."""
        if self._counts is None or not self._counts.any():
            raise nothing_scored(split)
        names = self.labels or tuple(str(index) for index in range(len(self._counts)))
        values = tuple(tuple(float(count) for count in row) for row in self._counts)
        return [
            Matrix(
                name="confusion_matrix",
                rows=names,
                columns=names,
                values=values,
                unit=f"{self.unit}s; row: true class, column: predicted",
                split=split,
            )
        ]


def area(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """The area under the ROC curve, from ranks (Mann and Whitney 1947); ties share their mean rank.

    >>> area(np.array([0.1, 0.4, 0.4, 0.8]), np.array([False, True, False, True]))
    0.875
    """
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    above = int(positive.sum())
    wins = ranks[positive].sum() - above * (above + 1) / 2
    return float(wins / (above * (len(scores) - above)))
