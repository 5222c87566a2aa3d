"""Progress of a training run: everything the loop counts, stored in each checkpoint."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from seqlab.schema.records import Moment


@dataclass
class RecordInterval:
    """Sums since the last record: the mean loss is per target, the mean gradient norm per step."""

    nats: float = 0.0
    targets: int = 0
    tokens: int = 0
    gradient_norms: float = 0.0
    steps: int = 0


@dataclass
class Progress:
    """Counters of the loop; `epoch` and `batch` are of the next batch, `step` counts finished steps."""

    step: int = 0
    epoch: int = 0
    batch: int = 0
    batches_in_epoch: int = 1
    tokens: int = 0
    best_value: float | None = None
    best_step: int | None = None
    validations: int = 0
    validations_without_gain: int = 0
    stopped: str = ""
    seconds: float = 0.0
    interval: RecordInterval = field(default_factory=RecordInterval)

    @property
    def moment(self) -> Moment:
        """The moment in training that records are labelled with."""
        epoch = self.epoch + self.batch / self.batches_in_epoch
        return Moment(step=self.step, epoch=round(epoch, 6), tokens=self.tokens)

    def to_table(self) -> dict[str, Any]:
        """A plain table for JSON."""
        return dataclasses.asdict(self)

    @staticmethod
    def from_table(table: dict[str, Any]) -> Progress:
        """The inverse of `to_table`."""
        return Progress(**{**table, "interval": RecordInterval(**table["interval"])})
