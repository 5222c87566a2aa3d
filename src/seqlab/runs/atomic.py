"""Writing a file or a directory completely or not at all, even if the process is killed."""

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


def write_text(path: Path, text: str) -> None:
    """Write a small text file, in UTF-8; see `write_bytes`."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a small file completely, replacing the old one in one step; its folder is created.

    Raises:
        DiskError: the disk is full or cannot be written.
    """
    temporary = path.with_name(f"{TEMPORARY}{path.name}")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        sync(temporary)
        temporary.replace(path)
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
def disk_errors(path: Path) -> Iterator[None]:
    """Turn an operating system's write error into a message with a remedy."""
    try:
        yield
    except OSError as error:
        remedy = (
            "Free space there" if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else "Fix that"
        )
        raise DiskError(
            f"{path} cannot be written: {error.strerror or error}. What was saved before is still valid. "
            f"{remedy}, then `seqlab resume` the run."
        ) from error
