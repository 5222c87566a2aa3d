"""Perplexity on training and validation, at each validation of a run."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

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
        sums = self._sums
        first = bisect_right(sums.epochs, moment.epoch - _EPOCH + _ROUNDING)
        last = bisect_right(sums.steps, moment.step)
        if last <= first:
            return None
        nats, tokens = (each[last] - each[first] for each in (sums.nats, sums.tokens))
        return perplexity(nats / tokens)

    @property
    def _reweighted(self) -> bool:
        """Whether the training loss has label smoothing, so that it is no cross-entropy."""
        return bool(self.run.settings.get("training", {}).get("label_smoothing"))

    @cached_property
    def _sums(self) -> _Sums:
        records = self.run.scalars("loss", "train")
        tokens = [0, *(moment.tokens for _, moment in records)]
        weighted = (
            record.value * (end - begin)
            for (record, _), begin, end in zip(records, tokens, tokens[1:], strict=False)
        )
        return _Sums(
            steps=[moment.step for _, moment in records],
            epochs=[moment.epoch for _, moment in records],
            tokens=tokens,
            nats=[0.0, *accumulate(weighted)],
        )


@dataclass(frozen=True)
class _Sums:
    """The records of the training loss: their ends, and sums from the start, which begin with 0."""

    steps: list[int]
    epochs: list[float]
    tokens: list[int]
    nats: list[float]


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
