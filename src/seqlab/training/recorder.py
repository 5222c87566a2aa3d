"""Writes what happens: deterministic records, samples, timings apart from them, TensorBoard events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from seqlab.runs.journal import JournalMark
from seqlab.runs.run_folder import RunFolder
from seqlab.runs.run_journals import Timing
from seqlab.schema.records import Moment, Record, Scalar
from seqlab.training.tensorboard_events import TensorBoardEvents


class Recorder:
    """The run's journals, open for writing from where a checkpoint left them."""

    def __init__(self, run: RunFolder, marks: Mapping[str, JournalMark]):
        self._journals = run.journals(marks)
        self._events: TensorBoardEvents | None = None

    def add_events(self, events: TensorBoardEvents) -> None:
        """Write numbers as events, too."""
        self._events = events

    def record(self, records: Iterable[Record], moment: Moment) -> None:
        """Append records; texts go to the samples."""
        for record in records:
            self._journals.record(record, moment)
            if self._events is not None and isinstance(record, Scalar):
                self._events.add(f"{record.name}/{record.split}", record.value, moment.step)

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

    def sync(self) -> dict[str, JournalMark]:
        """Bring everything onto the disk; returns the mark of each journal."""
        return self._journals.sync()

    def close(self) -> None:
        """Release the files."""
        self._journals.close()
        if self._events is not None:
            self._events.close()
