"""Append-only files with one record per line, which can be cut back to the state of a checkpoint."""

from __future__ import annotations

import os
from pathlib import Path

from seqlab.runs.atomic import disk_errors
from seqlab.schema.errors import UserError


class Journal:
    """An append-only file of lines.

    Each line is passed to the operating system at once, so that a killed process loses none; `sync` flushes
    all of them to the disk and returns the offset that a checkpoint keeps.
    """

    def __init__(self, path: Path, offset: int):
        """Open the file and cut it to `offset` bytes, the state of the checkpoint resumed from.

        Raises:
            UserError: the file is shorter than that.
        """
        size = path.stat().st_size if path.exists() else 0
        if size < offset:
            raise UserError(
                f"{path} must hold at least the {offset} bytes its checkpoint recorded. Got {size}. "
                "The file was changed by hand; restore it, or start the run again."
            )
        self._path = path
        with disk_errors(path):
            self._file = path.open("ab", buffering=0)
            self._file.truncate(offset)

    def append(self, line: str) -> None:
        """Add one line.

        Raises:
            WorkError: the disk is full; the incomplete line is removed.
        """
        end = os.fstat(self._file.fileno()).st_size
        data = line.encode("utf-8") + b"\n"
        with disk_errors(self._path):
            try:
                written = self._file.write(data)
                if written != len(data):
                    # An unbuffered file may write less than it was given.
                    self._file.write(data[written:])
            except OSError:
                self._file.truncate(end)
                raise

    def sync(self) -> int:
        """Flush everything to the disk; returns the file's size in bytes."""
        with disk_errors(self._path):
            os.fsync(self._file.fileno())
        return os.fstat(self._file.fileno()).st_size

    def close(self) -> None:
        """Release the file."""
        self._file.close()
