"""The loss at each position of a window."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from seqlab.measure.metric import Reads, Scored, TargetMetric, nothing_scored
from seqlab.models.input_spec import Output
from seqlab.schema.records import Curve, Record

Sums = NDArray[np.float64]


class LossPerPosition(TargetMetric):
    """Mean nats of the targets at each position, and the standard error of that mean.

    Position t follows t inputs in its window, the state having been zero before them when the
    windows are evaluated without carrying it. The standard error sqrt(s^2 / n) takes the windows as
    independent draws; a position with one target has none.
    """

    reads: ClassVar[Reads] = "nats"
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
        """`loss_per_position`, and `loss_per_position_standard_error` where it exists."""
        if self._count.sum() == 0:
            raise nothing_scored(split)
        scored, repeated = self._count > 0, self._count > 1
        curves: list[Record] = [self._curve("loss_per_position", scored, self._mean, split)]
        if repeated.any():
            error = np.sqrt(self._squares / np.maximum(self._count - 1, 1) / np.maximum(self._count, 1))
            curves.append(self._curve("loss_per_position_standard_error", repeated, error, split))
        return curves

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

    def _curve(self, name: str, kept: NDArray[np.bool_], y: Sums, split: str) -> Curve:
        return Curve(
            name=name,
            x=tuple((np.flatnonzero(kept) + 1.0).tolist()),
            y=tuple(y[kept].tolist()),
            x_unit="position in the window, from 1",
            y_unit=f"nats per {self.unit}",
            split=split,
        )
