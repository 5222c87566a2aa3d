"""Locks of runs, studies and parts of the cache: one process at a time may write them."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import with_config
from typing_extensions import TypedDict

from seqlab.runs import atomic
from seqlab.runs.plain_files import SAFELY, open_to_write, read_bytes
from seqlab.schema.errors import DamagedFileError, InUseError
from seqlab.schema.json_shapes import EXACT, parse_json

LOCK = "lock"
_PAUSE = 0.05
"""Seconds between two attempts."""
_MOMENT = 0.2
"""Seconds after which a lock is held by more than a process that asked `is_held`."""


@with_config(EXACT)
class _Owner(TypedDict):
    process: int
    host: str


@contextmanager
def process_lock(path: Path, refusal: str, *, timeout: float = _MOMENT) -> Iterator[None]:
    """Hold a lock. The operating system releases that of a process that died.

    Args:
        path: of the lock's file, such as `LOCK` in the folder to hold.
        refusal: the message where another process holds it; who that is follows, where it is known.
        timeout: seconds to wait for another process.

    Raises:
        InUseError: another process holds it.
        DamagedFileError: the file is no plain one.
        DiskError: it cannot be written.
    """
    descriptor = _hold(path, refusal, time.monotonic() + timeout)
    try:
        yield
    finally:
        # Emptied first, while nobody else can hold it.
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
        os.close(descriptor)


def is_held(folder: Path) -> bool:
    """Whether a process holds a folder now; nothing is written, and nothing is waited for."""
    path = folder / LOCK
    try:
        # A holder signs the file, and empties it at the end: an empty one need not be locked to know.
        if not stat.S_ISREG((found := os.lstat(path)).st_mode) or not found.st_size:
            return False
        descriptor = os.open(path, os.O_RDONLY | SAFELY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return isinstance(error, BlockingIOError)
    finally:
        os.close(descriptor)
    return False


def _hold(path: Path, refusal: str, deadline: float) -> int:
    """The descriptor of the locked file, which has one name only: others may be files of the user's."""
    while True:
        with atomic.disk_errors(path):
            descriptor = open_to_write(path, os.O_RDWR)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            if time.monotonic() >= deadline:
                raise InUseError(f"{refusal}{_holder(path)}") from None
            time.sleep(_PAUSE)
            continue
        if atomic.is_same(path, descriptor):
            if os.fstat(descriptor).st_nlink == 1:
                _sign(descriptor)
                return descriptor
            # The others keep their content; only the holder of a lock may put another file in its path.
            atomic.write_text(path, "")
        os.close(descriptor)


def _sign(descriptor: int) -> None:
    """Note who holds the lock, for the message to others; a full disk must not matter here."""
    owner = json.dumps(_Owner(process=os.getpid(), host=platform.node()))
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, owner.encode(), 0)


def _holder(path: Path) -> str:
    """Who holds a lock, as far as it is known."""
    with suppress(DamagedFileError):
        owner = parse_json(read_bytes(path), _Owner, path)
        host = owner["host"] if owner["host"].isprintable() else "?"
        return f" It is process {owner['process']} on {host}."
    return ""
