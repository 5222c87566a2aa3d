"""Writing that either happens whole or not at all, whatever kills the process."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seqlab.schema.errors import DiskError

TEMPORARY = ".writing-"


@contextmanager
def directory(path: Path) -> Iterator[Path]:
    """A directory that appears under its name only when complete and on disk.

    Yields a temporary sibling to fill. It is fsynced, renamed, and its parent fsynced; when anything
    fails it is removed, and what stood under the name before still stands.

    Raises:
        DiskError: the disk is full or cannot be written.
    """
    temporary = path.with_name(f"{TEMPORARY}{path.name}-{os.getpid()}")
    try:
        with explained(path):
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
            yield temporary
            for file in sorted(temporary.iterdir()):
                sync(file)
            sync(temporary)
            temporary.rename(path)
            sync(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a small text file, in UTF-8; see `write_bytes`."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a small file whole, replacing the old one in one step; its folder is made.

    Raises:
        DiskError: the disk is full or cannot be written.
    """
    temporary = path.with_name(f"{TEMPORARY}{path.name}")
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)


def remove_leftovers(folder: Path, name: str = "") -> None:
    """Delete what killed processes left half-written of the things called `name` (of all things).

    A run's own folder may only be cleaned by the holder of its lock.
    """
    for leftover in folder.glob(f"{TEMPORARY}{name}*"):
        if leftover.is_dir():
            shutil.rmtree(leftover)
        else:
            leftover.unlink()


def sync(path: Path) -> None:
    """Bring a file's content, or a directory's entries, onto the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn an operating system's write error into words; what was complete before stays so."""
    try:
        yield
    except OSError as error:
        remedy = "Free space there" if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else "Mend it"
        raise DiskError(
            f"{path} cannot be written: {error.strerror or error}. What was saved before is still valid. "
            f"{remedy}, then `seqlab resume` the run."
        ) from error
