"""Files that only grow, one line a record, and can go back to where a checkpoint left them."""

from __future__ import annotations

import os
from pathlib import Path

from seqlab.runs.atomic import explained
from seqlab.schema.errors import UserError


class Journal:
    """An append-only file of lines.

    A line is handed to the operating system at once, so that a killed process loses none of them;
    `sync` brings all of them onto the disk and returns the offset a checkpoint keeps.
    """

    def __init__(self, path: Path, offset: int):
        """Open the file and cut it to `offset` bytes, the state of the checkpoint resumed from.

        Raises:
            UserError: the file is shorter than the checkpoint says.
        """
        size = path.stat().st_size if path.exists() else 0
        if size < offset:
            raise UserError(
                f"{path} must hold at least the {offset} bytes its checkpoint recorded. Got {size}. "
                "The file was changed by hand; restore it, or start the run anew."
            )
        self._path = path
        with explained(path):
            self._file = path.open("ab", buffering=0)
            self._file.truncate(offset)

    def append(self, line: str) -> None:
        """Add one line.

        Raises:
            WorkError: the disk is full; the half line is cut off again.
        """
        end = os.fstat(self._file.fileno()).st_size
        data = line.encode("utf-8") + b"\n"
        with explained(self._path):
            try:
                written = self._file.write(data)
                if written != len(data):
                    self._file.write(data[written:])
            except OSError:
                self._file.truncate(end)
                raise

    def sync(self) -> int:
        """Bring everything onto the disk; returns the file's size in bytes."""
        with explained(self._path):
            os.fsync(self._file.fileno())
        return os.fstat(self._file.fileno()).st_size

    def close(self) -> None:
        """Release the file."""
        self._file.close()
