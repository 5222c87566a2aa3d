"""Writes what happens: deterministic records, samples, timings beside them, TensorBoard events."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from seqlab.runs.folder import RECORDS, SAMPLES, TIMINGS, RunFolder
from seqlab.runs.journal import Journal
from seqlab.schema.records import Moment, Record, Scalar, Text, to_line

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class Recorder:
    """The run's journals, open for writing from where a checkpoint left them."""

    def __init__(self, run: RunFolder, offsets: dict[str, int], step: int, tensorboard: bool):
        self._journals = {
            file: Journal(run.path / file, offsets.get(file, 0)) for file in (RECORDS, TIMINGS, SAMPLES)
        }
        self._events = _events(run.path / "tensorboard", step) if tensorboard else None

    def record(self, records: Iterable[Record], moment: Moment) -> None:
        """Append records; texts go to the samples."""
        for record in records:
            file = SAMPLES if isinstance(record, Text) else RECORDS
            self._journals[file].append(to_line(record, moment))
            if self._events is not None and isinstance(record, Scalar):
                self._events.add_scalar(f"{record.name}/{record.split}", record.value, moment.step)

    def timing(self, moment: Moment, *, seconds: float, tokens_per_second: float) -> None:
        """Append how long training took up to here; never deterministic, so kept apart."""
        line = {
            "step": moment.step,
            "epoch": moment.epoch,
            "tokens": moment.tokens,
            "seconds": round(seconds, 3),
            "tokens_per_second": round(tokens_per_second, 1),
        }
        self._journals[TIMINGS].append(json.dumps(line))

    def sync(self) -> dict[str, int]:
        """Bring everything onto the disk; returns each journal's offset in bytes."""
        return {file: journal.sync() for file, journal in self._journals.items()}

    def close(self) -> None:
        """Release the files."""
        for journal in self._journals.values():
            journal.close()
        if self._events is not None:
            self._events.close()


def _events(folder: Path, step: int) -> SummaryWriter:
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder), purge_step=step + 1)
