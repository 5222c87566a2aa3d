"""The loss at each position of windows of one length."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from seqlab.measure.metric import Reads, Scored, TargetMetric, nothing_scored
from seqlab.models.input_spec import Output
from seqlab.schema.records import Curve, Record

Sums = NDArray[np.float64]


class LossPerPosition(TargetMetric):
    """Mean nats of the targets at each position, and the standard error of that mean.

    Only windows or sequences of one length count, the length with the most targets: a mean at a late position
    would otherwise be one over other windows than the mean at an early one. Position t follows t inputs in
    its window, the state having been zero before them when the windows are evaluated without carrying it. The
    standard error sqrt(s^2 / n) takes the windows as independent draws; a position with one target has none.
    """

    reads: ClassVar[Reads] = "nats"
    outputs: ClassVar[tuple[Output, ...]] = ("text", "translation")

    def __init__(self, unit: str, labels: tuple[str, ...] = ()):
        super().__init__(unit, labels)
        self._by_length: dict[int, _PositionSums] = {}

    @override
    def update(self, scored: Scored) -> None:
        """Count some targets."""
        positions = scored.positions.cpu().numpy()
        nats = scored.nats.double().cpu().numpy()
        if scored.lengths is None:
            self._of_length(0).add(positions, nats)
            return
        lengths = scored.lengths.cpu().numpy()
        for length in np.unique(lengths).tolist():
            kept = lengths == length
            self._of_length(length).add(positions[kept], nats[kept])

    @override
    def records(self, split: str) -> list[Record]:
        """`loss_per_position`, and `loss_per_position_standard_error` where it exists."""
        # Of equally many targets those of longer windows, so that the order of the windows does not matter.
        sizes = {length: sums.targets for length, sums in self._by_length.items()}
        most = max(sizes, key=lambda length: (sizes[length], length), default=None)
        if most is None or sizes[most] == 0:
            raise nothing_scored(split)
        sums = self._by_length[most]
        scored, repeated = sums.count > 0, sums.count > 1
        windows = f"windows of {most} {self.unit}s" if most else "the window"
        curves: list[Record] = [self._curve("loss_per_position", scored, sums.mean, windows, split)]
        if repeated.any():
            name = "loss_per_position_standard_error"
            curves.append(self._curve(name, repeated, sums.standard_error, windows, split))
        return curves

    def _of_length(self, length: int) -> _PositionSums:
        return self._by_length.setdefault(length, _PositionSums())

    def _curve(self, name: str, kept: NDArray[np.bool_], y: Sums, windows: str, split: str) -> Curve:
        return Curve(
            name=name,
            x=tuple((np.flatnonzero(kept) + 1.0).tolist()),
            y=tuple(y[kept].tolist()),
            x_unit=f"position in {windows}, from 1",
            y_unit=f"nats per {self.unit}",
            split=split,
        )


class _PositionSums:
    """Number, mean and sum of squared deviations of the targets at each position."""

    def __init__(self) -> None:
        self.count, self.mean, self._squares = np.zeros(0), np.zeros(0), np.zeros(0)

    @property
    def targets(self) -> float:
        """The number of targets at all positions."""
        return float(self.count.sum())

    @property
    def standard_error(self) -> Sums:
        """Of the mean at each position; meaningful where there are two targets or more."""
        return np.sqrt(self._squares / np.maximum(self.count - 1, 1) / np.maximum(self.count, 1))

    def add(self, positions: NDArray[np.int64], nats: Sums) -> None:
        """Count some targets, by the pairwise update of Chan, Golub and LeVeque (1979)."""
        size = max(len(self.count), int(positions.max(initial=-1)) + 1)
        count = np.bincount(positions, minlength=size).astype(np.float64)
        mean = np.bincount(positions, weights=nats, minlength=size) / np.maximum(count, 1)
        off = (nats - mean[positions]) ** 2
        squares = np.bincount(positions, weights=off, minlength=size).astype(np.float64)
        grown = size - len(self.count)
        old_count, old_mean, old_squares = (
            np.pad(old, (0, grown)) for old in (self.count, self.mean, self._squares)
        )
        total = np.maximum(old_count + count, 1)
        difference = mean - old_mean
        self.count = old_count + count
        self.mean = old_mean + difference * count / total
        self._squares = old_squares + squares + difference**2 * old_count * count / total
