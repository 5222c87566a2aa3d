"""Writing a file or a directory completely or not at all, even if the process is killed."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from seqlab.schema.errors import DiskError

TEMPORARY = ".writing-"
RESUME = "`seqlab resume` the run"
"""What a user does once the disk can be written again, where it is a run's file that could not be."""


@contextmanager
def directory(path: Path) -> Iterator[Path]:
    """A directory that appears under its name only when it is complete and on disk.

    Yields a temporary sibling to fill. It is fsynced and renamed, and its parent is fsynced. Where anything
    fails, the temporary one is removed, and what had the name before still has it.

    Raises:
        DiskError: the disk is full or cannot be written.
    """
    temporary = path.with_name(f"{TEMPORARY}{path.name}-{os.getpid()}")
    try:
        with disk_errors(path):
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
            yield temporary
            # In this order: a name on the disk must never refer to content that is not there yet.
            for file in sorted(temporary.iterdir()):
                sync(file)
            sync(temporary)
            temporary.rename(path)
            sync(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: Path, text: str, *, retry: str = RESUME) -> None:
    """Write a small text file, in UTF-8; see `write_bytes`."""
    write_bytes(path, text.encode("utf-8"), retry=retry)


def write_bytes(path: Path, content: bytes, *, retry: str = RESUME) -> None:
    """Write a small file completely, replacing the old one in one step; its folder is created.

    Args:
        path: of the file.
        content: of the file.
        retry: what a user does after a failure, for the message.

    Raises:
        DiskError: the disk is full or cannot be written.
    """
    temporary = path.with_name(f"{TEMPORARY}{path.name}")
    with disk_errors(path, retry):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(content)
            sync(temporary)
            temporary.replace(path)
        except OSError:
            # Nobody else would look for it: a report is written to a folder of the user's.
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        sync(path.parent)


def remove_leftovers(folder: Path, name: str = "") -> None:
    """Delete what killed processes left half-written under `name` (under any name).

    Only the holder of a run's lock may do this in the run's own folder.
    """
    for leftover in folder.glob(f"{TEMPORARY}{name}*"):
        if leftover.is_dir():
            shutil.rmtree(leftover)
        else:
            leftover.unlink()


def sync(path: Path) -> None:
    """Flush a file's content, or a directory's entries, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def disk_errors(path: Path, retry: str = RESUME) -> Iterator[None]:
    """Turn a write error of the operating system into a message with a remedy, then `retry`."""
    try:
        yield
    except OSError as error:
        remedy = (
            "Free space there" if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else "Fix that"
        )
        raise DiskError(
            f"{path} cannot be written: {error.strerror or error}. What was saved before is still valid. "
            f"{remedy}, then {retry}."
        ) from error
