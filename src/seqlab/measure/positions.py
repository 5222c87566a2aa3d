"""The loss at each position of a text, or of windows of one length."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from seqlab.data.batches import Batches
from seqlab.measure.diagnosis import DiagnosedSplit, Diagnosis
from seqlab.measure.evaluate import evaluate
from seqlab.measure.metric import Reads, Scored, TargetMetric, nothing_scored
from seqlab.models.input_spec import Output
from seqlab.models.model import SequenceModel
from seqlab.runs.cards import FEW_TARGETS, POSITION_ERROR, POSITION_LOSS, POSITION_TARGETS
from seqlab.schema.errors import UserError
from seqlab.schema.records import Curve, Record
from seqlab.tasks.task import Task

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
        """See `curves`."""
        return list(self.curves(split))

    def curves(self, split: str, *, axis: str = Batches.axis, prefix: str = "") -> list[Curve]:
        """`loss_per_position`, its standard error where that exists, and its number of targets.

        Args:
            split: its name.
            axis: what positions are counted in.
            prefix: of the names of the curves.

        Raises:
            UserError: nothing was scored.
        """
        if self._count.sum() == 0:
            raise nothing_scored(split)
        scored, repeated = self._count > 0, self._count > 1
        unit = f"nats per {self.unit}"
        made = partial(_curve, axis=axis, split=split)
        curves = [made(prefix + POSITION_LOSS, scored, self._mean, unit)]
        if repeated.any():
            error = np.sqrt(self._squares / np.maximum(self._count - 1, 1) / np.maximum(self._count, 1))
            curves.append(made(prefix + POSITION_ERROR, repeated, error, unit))
        return [*curves, made(prefix + POSITION_TARGETS, scored, self._count, f"{self.unit}s")]

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


def diagnose(model: SequenceModel, task: Task, data: DiagnosedSplit) -> Diagnosis:
    """`LossPerPosition` over the whole split: a running text in windows of the length of training.

    Raises:
        UserError: the model does not predict tokens.
    """
    check_tokens(task, "The loss per position")
    records = evaluate(model, task, data.windows, split=data.name, metrics=(POSITION_LOSS,))
    curves = [record for record in records if isinstance(record, Curve)]
    return Diagnosis(records, [position_sentence("Loss", curves)])


def check_tokens(task: Task, what: str) -> None:
    """Check that a task has a target for each token.

    Raises:
        UserError: it has one for each text.
    """
    if task.output not in LossPerPosition.outputs:
        raise UserError(
            f"{what} needs a model that predicts tokens. Got one that gives each text one answer."
        )


def position_sentence(what: str, curves: Sequence[Curve]) -> str:
    """The loss at the first position and at the last one that has enough targets, with its standard error."""
    losses, errors = curves[0], dict(zip(curves[1].x, curves[1].y, strict=True))
    targets = dict(zip(curves[-1].x, curves[-1].y, strict=True))
    often = [x for x in losses.x if targets[x] >= FEW_TARGETS] or losses.x[:1]
    values = dict(zip(losses.x, losses.y, strict=True))
    ends = dict.fromkeys((often[0], often[-1]))
    shown = [
        f"{values[x]:.4g}{f' ± {round(errors[x], 12):.2g}' if x in errors else ''} at position {x:,.0f}"
        for x in ends
    ]
    return f"{what}: {', '.join(shown)}, {losses.y_unit} (± standard error)"


def _curve(name: str, kept: NDArray[np.bool_], y: Sums, unit: str, *, axis: str, split: str) -> Curve:
    return Curve(
        name=name,
        x=tuple((np.flatnonzero(kept) + 1.0).tolist()),
        y=tuple(y[kept].tolist()),
        x_unit=axis,
        y_unit=unit,
        split=split,
    )
