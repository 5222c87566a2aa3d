"""TensorBoard's events of a run: written beside the records, which alone decide results."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from seqlab.runs.atomic import write_all
from seqlab.runs.plain_files import SAFELY
from seqlab.schema.extras import is_installed


class TensorBoardEvents:
    """A new file of events in a folder; none where TensorBoard is not installed, which is said.

    Written by this process itself and not by torch's `SummaryWriter`, whose thread prints a traceback where
    the disk is full. A failure ends the events with a message, and training continues.
    """

    def __init__(self, folder: Path, step: int, on_failure: Callable[[str], None]):
        """Begin a file.

        Args:
            folder: it is created.
            step: of the checkpoint resumed from; later events of older files are void.
            on_failure: receives the message of a failure.
        """
        self._folder, self._on_failure = folder, on_failure
        self._file: Any = None
        if not is_installed("tensorboard"):
            on_failure(
                "TensorBoard's events are not written: the package 'tensorboard' is not installed. "
                "training.tensorboard=false does without them."
            )
            return
        with self._attempt():
            folder.mkdir(exist_ok=True)
            name = f"events.out.tfevents.{time.time():.0f}.{os.getpid()}.{secrets.token_hex(4)}"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | SAFELY
            self._file = os.fdopen(os.open(folder / name, flags, 0o666), "wb", buffering=0)
        self._write(file_version="brain.Event:2")
        # TensorBoard drops events from this step on that it has of a file written before.
        self._write(step=step + 1, session_log={"status": "START"})

    def add(self, name: str, value: float, step: int) -> None:
        """Write one number."""
        self._write(step=step, summary={"value": [{"tag": name, "simple_value": value}]})

    def close(self) -> None:
        """Release the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, **content: Any) -> None:
        if self._file is None:
            return
        from tensorboard.compat.proto import event_pb2
        from tensorboard.summary.writer.record_writer import RecordWriter

        with self._attempt():
            # Its classes are made when it is imported, so type checkers do not know them.
            event: Any = vars(event_pb2)["Event"](wall_time=time.time(), **content)
            RecordWriter(_Whole(self._file)).write(event.SerializeToString())

    @contextmanager
    def _attempt(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.close()
            reason = error.strerror or str(error)
            self._on_failure(
                f"TensorBoard's events end here: {self._folder} cannot be written: {reason}. "
                "Training continues; its records are complete."
            )


class _Whole:
    """An unbuffered file as `RecordWriter` needs it: each write is whole or an error."""

    def __init__(self, file: Any):
        self._file = file

    def write(self, content: bytes) -> None:
        """Write everything."""
        write_all(self._file.write, content)
