"""Writes what happens: deterministic records, samples, timings apart from them, TensorBoard events."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from seqlab.runs.run_folder import RunFolder
from seqlab.runs.run_journals import Timing
from seqlab.schema.records import Moment, Record, Scalar

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class Recorder:
    """The run's journals, open for writing from where a checkpoint left them."""

    def __init__(self, run: RunFolder, offsets: dict[str, int], step: int, tensorboard: bool):
        self._journals = run.journals(offsets)
        self._events = _events(run.tensorboard, step) if tensorboard else None

    def record(self, records: Iterable[Record], moment: Moment) -> None:
        """Append records; texts go to the samples."""
        for record in records:
            self._journals.record(record, moment)
            if self._events is not None and isinstance(record, Scalar):
                self._events.add_scalar(f"{record.name}/{record.split}", record.value, moment.step)

    def timing(self, moment: Moment, *, seconds: float, tokens_per_second: float) -> None:
        """Append how long training took up to here; never deterministic, so kept apart."""
        self._journals.timing(
            Timing(
                step=moment.step,
                epoch=moment.epoch,
                tokens=moment.tokens,
                seconds=round(seconds, 3),
                tokens_per_second=round(tokens_per_second, 1),
            )
        )

    def sync(self) -> dict[str, int]:
        """Bring everything onto the disk; returns each journal's offset in bytes."""
        return self._journals.sync()

    def close(self) -> None:
        """Release the files."""
        self._journals.close()
        if self._events is not None:
            self._events.close()


def _events(folder: Path, step: int) -> SummaryWriter:
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder), purge_step=step + 1)
