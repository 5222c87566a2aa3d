"""Progress of a training run: everything the loop counts, stored in each checkpoint."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import with_config

from seqlab.schema.json_shapes import EXACT, Amount, Count, Positive
from seqlab.schema.records import Moment


@with_config(EXACT)
@dataclass(kw_only=True)
class RecordInterval:
    """Sums since the last record: the mean loss is per target, the mean gradient norm per step."""

    nats: float
    targets: Count
    tokens: Count
    gradient_norms: Amount
    steps: Count

    @staticmethod
    def begin() -> RecordInterval:
        """Nothing yet."""
        return RecordInterval(nats=0.0, targets=0, tokens=0, gradient_norms=0.0, steps=0)


@with_config(EXACT)
@dataclass(kw_only=True)
class Progress:
    """Counters of the loop; `epoch` and `batch` are of the next batch, `step` counts finished steps."""

    step: Count
    epoch: Count
    batch: Count
    batches_in_epoch: Positive
    tokens: Count
    best_value: float | None
    best_step: Count | None
    validations: Count
    validations_without_gain: Count
    stopped: str
    seconds: Amount
    interval: RecordInterval

    @staticmethod
    def begin() -> Progress:
        """That of a run before its first step."""
        return Progress(
            step=0,
            epoch=0,
            batch=0,
            batches_in_epoch=1,
            tokens=0,
            best_value=None,
            best_step=None,
            validations=0,
            validations_without_gain=0,
            stopped="",
            seconds=0.0,
            interval=RecordInterval.begin(),
        )

    def __post_init__(self) -> None:
        if self.batch >= self.batches_in_epoch:
            raise ValueError(
                f"'batch' must be one of the {self.batches_in_epoch} of its epoch. Got {self.batch}."
            )
        if self.best_step is not None and self.best_step > self.step:
            raise ValueError(f"'best_step' must be at most 'step', {self.step}. Got {self.best_step}.")

    def observe(self, value: float, *, improved: bool, counts: bool, keep: bool) -> None:
        """Count a validation.

        Args:
            value: of the monitor.
            improved: whether it is the best one so far.
            counts: whether patience counts it, where it is no improvement.
            keep: whether the best step is the result; without a best step the newest checkpoint is.
        """
        self.validations += 1
        self.validations_without_gain = self.validations_without_gain + 1 if counts and not improved else 0
        if improved:
            self.best_value, self.best_step = value, self.step if keep else None

    @property
    def moment(self) -> Moment:
        """The moment in training that records are labelled with."""
        epoch = self.epoch + self.batch / self.batches_in_epoch
        return Moment(step=self.step, epoch=round(epoch, 6), tokens=self.tokens)
