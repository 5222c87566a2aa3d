"""Perplexity on training and validation, at each validation of a run."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from seqlab.report.run_data import RunData
from seqlab.schema.metric_spec import MetricSpec
from seqlab.schema.records import Moment

PERPLEXITY = MetricSpec(name="perplexity", unit="choices per token", better="lower")
MEAN_OF_TRAINING = (
    "Training perplexity is that of the mean loss of the last epoch, with the dropout of training, while the "
    "weights changed."
)
"""What captions say of it."""
_EPOCH = 1.0
_ROUNDING = 1e-6
"""Of epochs, which records hold with six decimals."""


@dataclass(frozen=True, kw_only=True)
class PerplexityPoint:
    """A validation.

    seconds: of training with its validations, up to this one; None where that is not known.
    train: None where the training loss is not the mean of the nats of all targets.
    """

    moment: Moment
    seconds: float | None
    train: float | None
    valid: float


@dataclass(frozen=True)
class PerplexityCurve:
    """The validations of a run that recorded its perplexity."""

    run: RunData

    @cached_property
    def points(self) -> tuple[PerplexityPoint, ...]:
        """One for each validation, in order."""
        return tuple(
            PerplexityPoint(
                moment=moment,
                seconds=self.run.seconds(moment.step),
                train=self.train_at(moment),
                valid=record.value,
            )
            for record, moment in self.run.scalars(PERPLEXITY.name, "valid")
        )

    def train_at(self, moment: Moment) -> float | None:
        """Exp of the mean training loss, in nats per token, over the epoch before a moment.

        Records are weighted with the tokens since the record before. With less than one epoch, the mean is
        that from the start.
        """
        if self._reweighted:
            return None
        nats = tokens = 0.0
        for loss, count, end in self._intervals():
            if moment.epoch - _EPOCH + _ROUNDING < end.epoch and end.step <= moment.step:
                nats, tokens = nats + loss * count, tokens + count
        return perplexity(nats / tokens) if tokens else None

    @property
    def _reweighted(self) -> bool:
        """Whether the training loss has label smoothing, so that it is no cross-entropy."""
        return bool(self.run.settings.get("training", {}).get("label_smoothing"))

    def _intervals(self) -> Iterator[tuple[float, int, Moment]]:
        """Mean loss, number of tokens and end of what each record of the training loss is about."""
        before = 0
        for record, moment in self.run.scalars("loss", "train"):
            yield record.value, moment.tokens - before, moment
            before = moment.tokens


def best_point(run: RunData, step: int | None) -> PerplexityPoint | None:
    """The validation of the best checkpoint, at this step; None where its perplexity was not recorded."""
    return next((point for point in PerplexityCurve(run).points if point.moment.step == step), None)


def best_training_perplexity(run: RunData, step: int | None) -> float | None:
    """Training perplexity at the step of the best checkpoint; None where it is not known, or infinite."""
    point = best_point(run, step)
    return None if point is None or point.train == math.inf else point.train


def perplexity(nats: float) -> float:
    """Exp of a mean loss, in nats per token; infinite where that overflows.

    >>> perplexity(0.0), perplexity(1e4)
    (1.0, inf)
    """
    try:
        return math.exp(nats)
    except OverflowError:
        return math.inf
