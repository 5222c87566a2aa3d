"""Accuracy by the length of texts. Legend: N texts, G groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from typing_extensions import override

from seqlab.measure.metric import Scored, TargetMetric, nothing_scored
from seqlab.models.input_spec import Output
from seqlab.runs.cards import ACCURACY_BY_LENGTH
from seqlab.schema.records import Matrix, Record
from seqlab.stats.interval import binomial_share

MOST_GROUPS, FEWEST_GROUPS = 10, 3
"""Groups of texts, at most; and of few texts, where there are as many lengths."""
TEXTS_OF_A_GROUP = 20
"""Texts that a group has, about, where there are enough for more than `FEWEST_GROUPS`."""
COLUMNS = ("accuracy", "low", "high", "texts", "mean length")


@dataclass(frozen=True)
class LengthGroup:
    """Texts of similar length: their lengths, in tokens, how many they are, and how many are right."""

    lengths: Sequence[int]
    texts: int
    right: int
    tokens: int

    @property
    def title(self) -> str:
        """The range of their lengths."""
        first, last = self.lengths[0], self.lengths[-1]
        return f"{first:,}" if first == last else f"{first:,} to {last:,}"

    @property
    def values(self) -> tuple[float, ...]:
        """The numbers of `COLUMNS`."""
        low, high = binomial_share(self.right, self.texts).ends
        shares = (self.right / self.texts, low, high)
        return (*shares, float(self.texts), self.tokens / self.texts)


class AccuracyByLength(TargetMetric):
    """The accuracy of texts of similar length, with its exact binomial interval (Clopper and Pearson 1934).

    Texts are ordered by their number of tokens, of cut ones those that are left, and divided into groups of
    about equal size; texts of one length are in one group. A split whose texts all have one length has no
    record.
    """

    outputs: ClassVar[tuple[Output, ...]] = ("class",)

    def __init__(self, unit: str, labels: tuple[str, ...] = ()):
        super().__init__(unit, labels)
        self._texts, self._right = Counter[int](), Counter[int]()

    @override
    def update(self, scored: Scored) -> None:
        assert scored.lengths is not None, "texts with a label each have lengths"
        lengths, right = scored.lengths.cpu().numpy(), scored.right.cpu().numpy()
        self._texts.update(lengths.tolist())
        self._right.update(lengths[right].tolist())

    @override
    def records(self, split: str) -> list[Record]:
        """One matrix, `accuracy_by_length`: a row for each group, named after its range of lengths."""
        if not self._texts:
            raise nothing_scored(split)
        if len(self._texts) == 1:
            return []
        groups = list(self._groups())
        return [
            Matrix(
                name=ACCURACY_BY_LENGTH,
                rows=tuple(group.title for group in groups),
                columns=COLUMNS,
                values=tuple(group.values for group in groups),
                unit=f"fraction with its 95 % interval, number of {self.unit}s, tokens",
                split=split,
            )
        ]

    def _groups(self) -> Iterator[LengthGroup]:
        lengths = np.array(sorted(self._texts))
        for members in grouped(np.array([self._texts[length] for length in lengths.tolist()])):
            found: list[int] = lengths[members].tolist()
            yield LengthGroup(
                found,
                sum(self._texts[length] for length in found),
                sum(self._right[length] for length in found),
                sum(self._texts[length] * length for length in found),
            )


def grouped(counts: np.ndarray) -> list[np.ndarray]:
    """Indices of neighbouring counts, in groups whose sums are about equal.

    >>> [group.tolist() for group in grouped(np.array([2, 1, 1]))], len(grouped(np.ones(1000, int)))
    ([[0], [1], [2]], 10)
    """
    total = int(counts.sum())
    groups = min(MOST_GROUPS, max(FEWEST_GROUPS, total // TEXTS_OF_A_GROUP))
    middles = counts.cumsum() - counts / 2
    group = np.floor(groups * middles / total).astype(np.int64)
    return [np.flatnonzero(group == number) for number in np.unique(group)]
