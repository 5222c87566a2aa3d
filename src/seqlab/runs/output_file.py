"""A file that the user named: a report."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

from seqlab.runs import atomic


def write_output(path: Path, text: str, *, retry: str) -> None:
    """Write a text file, in UTF-8, whole or not at all; links are followed, and its folder is created.

    A device or a pipe, such as /dev/stdout, is written to and never replaced.

    Args:
        path: of the file.
        text: its content.
        retry: what a user does after a failure, for the message.

    Raises:
        DiskError: the disk is full or cannot be written.
    """
    with atomic.disk_errors(path, retry):
        if path.exists() and not path.is_file():
            # The reader of a pipe may have had enough.
            with suppress(BrokenPipeError), path.open("w", encoding="utf-8") as stream:
                stream.write(text)
        else:
            target = Path(os.path.realpath(path))
            if target.is_symlink():
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            atomic.write_text(target, text, retry=retry)
