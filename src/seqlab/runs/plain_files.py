"""Opening files of a folder that may come from anywhere: plain files and folders only, never links or pipes.

A link would lead reads and writes out of the folder, and opening a pipe or a device may wait forever.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Collection
from pathlib import Path
from typing import NoReturn

from seqlab.schema.errors import DamagedFileError, UserError

SAFELY = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Flags that open no link and wait for nothing."""
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFREG: "a file",
}


def read_bytes(path: Path) -> bytes:
    """The content of a plain file.

    Raises:
        DamagedFileError: the file is missing, cannot be read, or is no plain file.
    """
    try:
        _check_kind(path, os.lstat(path).st_mode, stat.S_IFREG)
        descriptor = os.open(path, os.O_RDONLY | SAFELY)
        with os.fdopen(descriptor, "rb") as file:
            # Once more, because the name may refer to another file by now.
            _check_kind(path, os.fstat(descriptor).st_mode, stat.S_IFREG)
            return file.read()
    except OSError as error:
        _refuse(path, error)


def modified(path: Path) -> float:
    """When a file was written last, in seconds since 1970.

    Raises:
        DamagedFileError: the file is missing.
    """
    try:
        return os.lstat(path).st_mtime
    except OSError as error:
        _refuse(path, error)


def open_to_write(path: Path, flags: int) -> int:
    """A descriptor of a plain file, which is created where there is none, with the mode of the umask.

    Args:
        path: of the file.
        flags: how to open it, such as `os.O_APPEND`.

    Raises:
        DamagedFileError: there is something else than a plain file.
        OSError: the disk is full or cannot be written.
    """
    if os.path.lexists(path):
        _check_kind(path, os.lstat(path).st_mode, stat.S_IFREG)
    descriptor = os.open(path, os.O_CREAT | flags | SAFELY, 0o666)
    try:
        _check_kind(path, os.fstat(descriptor).st_mode, stat.S_IFREG)
    except DamagedFileError:
        os.close(descriptor)
        raise
    return descriptor


def check_folder(folder: Path, *, files: Collection[str], folders: Collection[str], prefix: str) -> None:
    """Make sure that these entries of a folder, as far as they exist, are plain, and all within them.

    The folder itself may be addressed through a link.

    Args:
        folder: holds the entries.
        files: names of files.
        folders: names of folders, of which everything is checked.
        prefix: of names that are checked, too, whatever they are.

    Raises:
        DamagedFileError: an entry is a link, a pipe or another special file, or a file in place of a folder.
    """
    for entry in _entries(folder):
        if entry.name in files:
            _check_kind(Path(entry.path), _mode(entry), stat.S_IFREG)
        elif entry.name in folders:
            _check_kind(Path(entry.path), _mode(entry), stat.S_IFDIR)
            _check_within(Path(entry.path))
        elif entry.name.startswith(prefix):
            _check_tree(Path(entry.path), _mode(entry))


def _check_within(folder: Path) -> None:
    pending = [folder]
    while pending:
        for entry in _entries(pending.pop()):
            path, mode = Path(entry.path), _mode(entry)
            if stat.S_ISDIR(mode):
                pending.append(path)
            else:
                _check_kind(path, mode, stat.S_IFREG)


def _check_tree(path: Path, mode: int) -> None:
    if stat.S_ISDIR(mode):
        _check_within(path)
    else:
        _check_kind(path, mode, stat.S_IFREG)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError:
        # Another process may have removed it since, such as a checkpoint that is no longer needed.
        return []
    except OSError as error:
        _refuse(folder, error)


def _mode(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_mode
    except FileNotFoundError:
        return stat.S_IFDIR if entry.is_dir(follow_symlinks=False) else stat.S_IFREG
    except OSError as error:
        _refuse(Path(entry.path), error)


def _check_kind(path: Path, mode: int, kind: int) -> None:
    found = stat.S_IFMT(mode)
    if found != kind:
        wanted = "file" if kind == stat.S_IFREG else "folder"
        raise DamagedFileError(
            f"{path} must be a plain {wanted}. Got {_KINDS.get(found, 'a device')}. "
            "It was not opened; delete it, or restore what seqlab wrote there."
        )


def _refuse(path: Path, error: OSError) -> NoReturn:
    if isinstance(error, FileNotFoundError):
        raise DamagedFileError(f"{path.parent} is damaged: {path.name} is missing.") from None
    if error.errno == errno.ELOOP:
        raise DamagedFileError(f"{path} must be a plain file. Got a link.") from None
    if error.errno == errno.ENAMETOOLONG:
        raise UserError(f"{path} must have a shorter name. Got one that is too long.") from None
    raise DamagedFileError(f"{path} cannot be read: {error.strerror or error}.") from None


def check_name(name: object, source: str) -> str:
    """A name of a file or folder that a file gives: it must be one name, below the folder it belongs to.

    Args:
        name: to check.
        source: the file that gives it, for the message.

    Raises:
        UserError: it is no text, a path, or has control characters.
    """
    plain = isinstance(name, str) and name.isprintable() and not name.startswith(".")
    if not isinstance(name, str) or not plain or not name or "/" in name or "\\" in name:
        raise UserError(f"{source} must give a plain name, without folders. Got {str(name)[:80]!r}.")
    return name
