"""Writing a file or a directory completely or not at all, even if the process is killed.

Everything is written under a temporary name, which nobody else uses: it is new, random, and locked as long as
its writer lives. So a temporary file without a lock is a leftover of a killed process.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from seqlab.runs.plain_files import SAFELY
from seqlab.schema.errors import DiskError, UserError

TEMPORARY = ".writing-"
REPEAT = "repeat the command"
"""What a user does once the disk can be written again."""
_NAME = 50
"""Characters of a name that its temporary name has: file systems limit the length."""


@contextmanager
def directory(path: Path, retry: str = REPEAT) -> Iterator[Path]:
    """A directory that appears under its name only when it is complete and on disk.

    Yields a temporary sibling to fill. It is fsynced and renamed, and its parent is fsynced. Where anything
    fails, the temporary one is removed, and what had the name before still has it.

    Args:
        path: of the directory.
        retry: what a user does after a failure, for the message.

    Raises:
        DiskError: the disk is full or cannot be written, or there is a directory of that name.
    """
    with disk_errors(path, retry):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary, descriptor = _new(path, _make_directory)
        try:
            yield temporary
            # In this order: a name on the disk must never refer to content that is not there yet.
            for file in sorted(temporary.iterdir()):
                sync(file)
            os.fsync(descriptor)
            temporary.rename(path)
            sync(path.parent)
        finally:
            os.close(descriptor)
            shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: Path, text: str, *, retry: str = REPEAT) -> None:
    """Write a small text file, in UTF-8; see `write_bytes`."""
    write_bytes(path, text.encode("utf-8"), retry=retry)


def write_bytes(path: Path, content: bytes, *, retry: str = REPEAT) -> None:
    """Write a small file completely, replacing the old one in one step; its folder is created.

    Other names of the old file, and a file that a link led to, keep their content. Leftovers of killed
    processes that wrote the same file are removed.

    Args:
        path: of the file.
        content: of the file.
        retry: what a user does after a failure, for the message.

    Raises:
        DiskError: the disk is full or cannot be written.
    """
    with disk_errors(path, retry):
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(path.parent, path.name)
        temporary, descriptor = _new(path, _make_file)
        try:
            # Unbuffered, so that an error is raised here and not when the file is closed.
            with open(descriptor, "wb", buffering=0, closefd=False) as file:
                write_all(file.write, content)
            sync(temporary)
            temporary.replace(path)
            sync(path.parent)
        finally:
            os.close(descriptor)
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


@contextmanager
def large_file(path: Path, *, retry: str, replaces: bool) -> Iterator[Path]:
    """A file of any size that appears under its name only when it is complete and on disk.

    Yields the path to write it to, in a temporary folder of its own, in which other files may be written,
    too. Where anything fails, the folder is removed, and what had the name before still has it. Leftovers of
    killed processes that wrote the same file are removed.

    Args:
        path: of the file; its folder is created.
        retry: what a user does after a failure, for the message.
        replaces: whether a file that has the name by then is replaced.

    Raises:
        DiskError: the disk is full or cannot be written, or there is a file that is not to be replaced.
    """
    with disk_errors(path, retry):
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(path.parent, path.name)
        folder, descriptor = _new(path, _make_directory)
        try:
            yield folder / path.name
            sync(folder / path.name)
            if replaces:
                (folder / path.name).replace(path)
            else:
                # Unlike a rename, a new link never replaces a file that appeared in the meantime.
                os.link(folder / path.name, path)
            sync(path.parent)
        finally:
            os.close(descriptor)
            shutil.rmtree(folder, ignore_errors=True)


def write_all(write: Callable[[memoryview], int | None], content: bytes) -> None:
    """Write everything with a function that may write less than it was given, as unbuffered files do."""
    rest = memoryview(content)
    while rest:
        rest = rest[write(rest) or 0 :]


def remove(path: Path) -> None:
    """Delete a directory, renamed first, so that a kill never leaves half of it under its name.

    Raises:
        DiskError: it cannot be renamed.
    """
    temporary = _temporary(path)
    with disk_errors(path):
        path.rename(temporary)
    shutil.rmtree(temporary, ignore_errors=True)


def remove_leftovers(folder: Path, name: str = "") -> None:
    """Delete what killed processes left half-written under `name` (under any name).

    What a living process is writing is locked, and stays.
    """
    for leftover in leftovers(folder, name):
        remove_leftover(leftover)


def leftovers(folder: Path, name: str = "") -> list[Path]:
    """Temporary files and folders that somebody is writing under `name` (under any name), or was killed."""
    pattern = f"{re.escape(name[:_NAME])}-[0-9a-f]{{16}}" if name else ".*"
    ours = re.compile(re.escape(TEMPORARY) + pattern)
    # A folder that is gone, or that belongs to somebody else, needs no cleaning.
    with suppress(OSError), os.scandir(folder) as entries:
        return sorted(Path(entry.path) for entry in entries if ours.fullmatch(entry.name))
    return []


def remove_leftover(path: Path) -> None:
    """Delete a temporary file or folder, unless a living process is writing it."""
    with suppress(OSError), _unused(path) as is_folder:
        if is_folder:
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def is_abandoned(path: Path) -> bool:
    """Whether a temporary file or folder is that of a killed process."""
    with suppress(OSError), _unused(path):
        return True
    return False


@contextmanager
def _unused(path: Path) -> Iterator[bool]:
    """Hold a temporary file or folder that nobody writes; yields whether it is a folder.

    Raises:
        OSError: somebody writes it, or it is neither.
    """
    mode = os.lstat(path).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise FileNotFoundError(path)
    descriptor = os.open(path, os.O_RDONLY | SAFELY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield stat.S_ISDIR(mode)
    finally:
        os.close(descriptor)


def _new(path: Path, make: Callable[[Path], int]) -> tuple[Path, int]:
    """A new temporary sibling, locked, and its descriptor."""
    while True:
        temporary = _temporary(path)
        descriptor = make(temporary)
        # A process that removes leftovers may have taken it for one before it was locked.
        if _lock(descriptor) and is_same(temporary, descriptor):
            return temporary, descriptor
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Lock a new file; False where another process has locked it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # Some network file systems have no locks; there nobody removes leftovers either.
        return True
    return True


def is_same(path: Path, descriptor: int) -> bool:
    """Whether a path still refers to the file that was opened."""
    try:
        return os.path.samestat(os.lstat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _make_file(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | SAFELY, 0o666)


def _make_directory(path: Path) -> int:
    path.mkdir()
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | SAFELY)


def _temporary(path: Path) -> Path:
    return path.with_name(f"{TEMPORARY}{path.name[:_NAME]}-{secrets.token_hex(8)}")


def sync(path: Path) -> None:
    """Flush a file's content, or a directory's entries, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def disk_errors(path: Path, retry: str = REPEAT) -> Iterator[None]:
    """Turn a write error of the operating system into a message with a remedy, then `retry`.

    Raises:
        UserError: a name is too long.
        DiskError: the disk is full or cannot be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise UserError(f"{path} must have a shorter name. Got one that is too long.") from None
        remedy = (
            "Free space there" if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else "Fix that"
        )
        raise DiskError(
            f"{path} cannot be written: {error.strerror or error}. What was saved before is still valid. "
            f"{remedy}, then {retry}."
        ) from error
