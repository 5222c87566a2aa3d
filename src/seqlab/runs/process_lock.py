"""The lock of a run or study folder: one process at a time may write it."""

from __future__ import annotations

import fcntl
import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from seqlab.runs import atomic
from seqlab.runs.plain_files import open_to_write, read_bytes
from seqlab.schema.errors import InUseError, UserError

LOCK = "lock"


@contextmanager
def process_lock(folder: Path, refusal: str) -> Iterator[None]:
    """Hold a folder. The operating system releases the lock of a process that died.

    Args:
        folder: what to hold.
        refusal: the message where another process holds it; who that is follows, where it is known.

    Raises:
        InUseError: another process holds it.
        DamagedFileError: the folder's lock is no plain file.
        DiskError: the folder cannot be written.
    """
    path = folder / LOCK
    descriptor = _hold(path, refusal)
    try:
        yield
    finally:
        # Emptied first, while nobody else can hold it.
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
        os.close(descriptor)


def _hold(path: Path, refusal: str) -> int:
    """The descriptor of the locked file, which has one name only: others may be files of the user's."""
    while True:
        with atomic.disk_errors(path):
            descriptor = open_to_write(path, os.O_RDWR)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise InUseError(f"{refusal}{_holder(path)}") from None
        if atomic.is_same(path, descriptor):
            if os.fstat(descriptor).st_nlink == 1:
                _sign(descriptor)
                return descriptor
            # The others keep their content; only the holder of a lock may put another file in its path.
            atomic.write_text(path, "")
        os.close(descriptor)


def _sign(descriptor: int) -> None:
    """Note who holds the lock, for the message to others; a full disk must not matter here."""
    owner = json.dumps({"process": os.getpid(), "host": platform.node()})
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, owner.encode(), 0)


def _holder(path: Path) -> str:
    """Who holds a lock, as far as it is known."""
    with suppress(UserError, ValueError, KeyError, TypeError, RecursionError):
        owner = json.loads(read_bytes(path))
        host = owner["host"] if str(owner["host"]).isprintable() else "?"
        return f" It is process {int(owner['process'])} on {host}."
    return ""
