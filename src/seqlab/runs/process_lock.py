"""The lock of a run or study folder: one process at a time may write it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from seqlab.schema.errors import InUseError


@contextmanager
def process_lock(folder: Path, refusal: str) -> Iterator[None]:
    """Hold a folder. The lock of a killed process is released.

    Args:
        folder: what to hold.
        refusal: the message where another process holds it.

    Raises:
        InUseError: another process holds it.
    """
    lock = filelock.FileLock(folder / "lock")
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        raise InUseError(refusal) from None
    try:
        yield
    finally:
        lock.release()
