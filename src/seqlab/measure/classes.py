"""Metrics of classifiers: each class counts the same, and what is taken for what. Legend: K classes."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from seqlab.measure.metric import Scored, TargetMetric, nothing_scored
from seqlab.schema.errors import UserError
from seqlab.schema.records import Matrix, Record, Scalar

MOST_CLASSES = 1_000
"""Classes for which a K x K matrix, or every target's K scores, are kept."""

Counts = NDArray[np.int64]


class MacroF1(TargetMetric):
    """Mean over classes of F1 = 2 hits / (targets + predictions).

    The mean is over the classes that occur among the targets or the predictions.
    """

    def __init__(self, unit: str, labels: tuple[str, ...] = ()):
        super().__init__(unit, labels)
        self._hits: Counts | None = None
        self._occurrences: Counts | None = None

    def update(self, scored: Scored) -> None:
        """Count some targets."""
        classes = scored.logits.shape[-1]
        targets = scored.targets.cpu().numpy()
        predicted = scored.logits.argmax(dim=-1).cpu().numpy()
        hits = np.bincount(targets[targets == predicted], minlength=classes)
        both = np.bincount(targets, minlength=classes) + np.bincount(predicted, minlength=classes)
        self._hits = hits if self._hits is None else self._hits + hits
        self._occurrences = both if self._occurrences is None else self._occurrences + both

    def records(self, split: str) -> list[Record]:
        """One scalar, `macro_f1`; see `Metric.records`."""
        if self._hits is None or self._occurrences is None or not self._occurrences.any():
            raise nothing_scored(split)
        occurs = self._occurrences > 0
        value = float(np.mean(2 * self._hits[occurs] / self._occurrences[occurs]))
        unit = f"fraction, mean over classes of {self.unit}s"
        return [Scalar(name="macro_f1", value=value, unit=unit, split=split)]


class Auc(TargetMetric):
    """Probability that a target of a class gets more of it than one of another class; a tie counts half.

    Two classes: of the second one. More: the mean over the classes that occur among the targets, each
    against all others. Every target's scores are kept, 8 K bytes each.
    """

    most_outputs: ClassVar[int | None] = MOST_CLASSES
    distinct_targets: ClassVar[int] = 2

    def __init__(self, unit: str, labels: tuple[str, ...] = ()):
        super().__init__(unit, labels)
        self._scores: list[NDArray[np.float64]] = []
        self._targets: list[Counts] = []

    def update(self, scored: Scored) -> None:
        """Keep the log probabilities of some targets: they have the order of the probabilities."""
        self._scores.append(scored.logits.double().log_softmax(dim=-1).cpu().numpy())
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
        value = float(np.mean([area(scores[:, index], targets == index) for index in classes]))
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
