"""The standard streams of the program: a write that fails never ends the work, and is reported at the end."""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from typing import TextIO

from typing_extensions import Buffer, override


class TolerantFile(io.FileIO):
    """An open file whose writes never raise: the first error is kept, and what follows it is dropped."""

    error: OSError | None = None

    @override
    def write(self, data: Buffer, /) -> int:
        written = None
        while written is None and self.error is None:
            try:
                written = super().write(data)
            except OSError as error:
                self.error = error
            else:
                if written is None:  # a non-blocking descriptor that is not ready
                    select.select([], [self], [])
        return memoryview(data).nbytes if written is None else written

    @property
    def lost(self) -> OSError | None:
        """Why some output was lost; None where none was, or where its reader had enough, as `head` has."""
        return None if self.error is None or self.error.errno == errno.EPIPE else self.error


class StandardStreams:
    """Standard output and standard error of a program, on two open file descriptors."""

    def __init__(self, out: int, err: int, *, encodings: tuple[str, str] = ("utf-8", "utf-8")):
        self._out, self._err = (TolerantFile(descriptor, "w", closefd=False) for descriptor in (out, err))
        self.out, self.err = (
            _text(file, encoding) for file, encoding in zip((self._out, self._err), encodings, strict=True)
        )

    def lost_output(self) -> OSError | None:
        """Flush both streams.

        Returns:
            Why standard output was not written whole, or else standard error; None where both were.
        """
        self.out.flush()
        self.err.flush()
        return self._out.lost or self._err.lost


class _OpenText(io.TextIOWrapper):
    """A text stream that stays open to the end of the program, whatever code of the user's own does."""

    @override
    def close(self) -> None:
        self.flush()


def _text(file: TolerantFile, encoding: str) -> TextIO:
    buffer = io.BufferedWriter(file)
    return _OpenText(buffer, encoding, errors="backslashreplace", line_buffering=True)


def standard_streams() -> StandardStreams:
    """The process's own streams, which replace `sys.stdout` and `sys.stderr` from now on.

    A closed standard output counts as one that cannot be written; a closed standard error discards.
    """
    encodings = tuple("utf-8" if stream is None else stream.encoding for stream in (sys.stdout, sys.stderr))
    _occupy_closed_descriptors()
    streams = StandardStreams(1, 2, encodings=(encodings[0], encodings[1]))
    sys.stdout, sys.stderr = streams.out, streams.err
    return streams


def _occupy_closed_descriptors() -> None:
    """Open the closed ones of 0, 1 and 2, or else the next file opened would become a standard stream."""
    # Standard output is opened for reading, so that writing to it fails as to a closed one.
    for descriptor, mode in enumerate((os.O_WRONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, mode), True)
