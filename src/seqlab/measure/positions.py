"""The loss at each position of a text, or of windows of one length."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from seqlab.data.batches import Batches
from seqlab.measure.metric import Reads, Scored, TargetMetric, nothing_scored
from seqlab.models.input_spec import Output
from seqlab.runs.cards import POSITION_ERROR, POSITION_LOSS, POSITION_TARGETS
from seqlab.schema.records import Curve, Record

Sums = NDArray[np.float64]


class LossPerPosition(TargetMetric):
    """Mean nats of the targets at each position, and the standard error of that mean.

    Position t follows t inputs, with a zero state before them. Of separate texts it is the position in the
    text, so the mean at a late one is over long texts alone. A running text must be cut into windows of one
    length, so that the means at all positions are over the same windows. The standard error sqrt(s^2 / n)
    takes texts or windows as independent draws; a position with one target has none.
    """

    reads: ClassVar[Reads] = "nats"
    by_position: ClassVar[bool] = True
    outputs: ClassVar[tuple[Output, ...]] = ("text", "translation")

    def __init__(self, unit: str, labels: tuple[str, ...] = ()):
        super().__init__(unit, labels)
        self._count, self._mean, self._squares = np.zeros(0), np.zeros(0), np.zeros(0)

    def update(self, scored: Scored) -> None:
        """Count some targets, by the pairwise update of Chan, Golub and LeVeque (1979)."""
        positions = scored.positions.cpu().numpy()
        nats = scored.nats.double().cpu().numpy()
        size = max(len(self._count), int(positions.max(initial=-1)) + 1)
        count = np.bincount(positions, minlength=size).astype(np.float64)
        mean = np.bincount(positions, weights=nats, minlength=size) / np.maximum(count, 1)
        off = (nats - mean[positions]) ** 2
        squares = np.bincount(positions, weights=off, minlength=size).astype(np.float64)
        self._merge(count, mean, squares)

    def records(self, split: str) -> list[Record]:
        """`loss_per_position`, its standard error where that exists, and its number of targets."""
        if self._count.sum() == 0:
            raise nothing_scored(split)
        scored, repeated = self._count > 0, self._count > 1
        unit = f"nats per {self.unit}"
        curves: list[Record] = [
            _curve(POSITION_LOSS, scored, self._mean, unit, split),
        ]
        if repeated.any():
            error = np.sqrt(self._squares / np.maximum(self._count - 1, 1) / np.maximum(self._count, 1))
            curves.append(_curve(POSITION_ERROR, repeated, error, unit, split))
        return [*curves, _curve(POSITION_TARGETS, scored, self._count, f"{self.unit}s", split)]

    def _merge(self, count: Sums, mean: Sums, squares: Sums) -> None:
        grown = len(count) - len(self._count)
        old_count, old_mean, old_squares = (
            np.pad(old, (0, grown)) for old in (self._count, self._mean, self._squares)
        )
        total = np.maximum(old_count + count, 1)
        difference = mean - old_mean
        self._count = old_count + count
        self._mean = old_mean + difference * count / total
        self._squares = old_squares + squares + difference**2 * old_count * count / total


def _curve(name: str, kept: NDArray[np.bool_], y: Sums, unit: str, split: str) -> Curve:
    return Curve(
        name=name,
        x=tuple((np.flatnonzero(kept) + 1.0).tolist()),
        y=tuple(y[kept].tolist()),
        x_unit=Batches.axis,
        y_unit=unit,
        split=split,
    )
