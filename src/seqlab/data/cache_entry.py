"""One folder of the cache: written completely or not at all, checked whenever it is read.

A list of SHA-256 checksums covers every file of the folder, and the folder holds nothing else. So one wrong
bit anywhere is noticed, and never read as other numbers or as another vocabulary.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from seqlab.data.fetch import cache_folder, cache_lock, writing
from seqlab.runs.atomic import TEMPORARY, sync

SUMS = "SHA256SUMS"
"""The list of checksums, as `sha256sum --check` reads it."""


def entries_folder() -> Path:
    """The folder of all encoded datasets."""
    return cache_folder() / "encoded"


def write_entry(
    folder: Path, fill: Callable[[Path], None], check: Callable[[Path], object] | None = None
) -> None:
    """Write a folder under a temporary name and rename it when it is complete and on disk.

    One process at a time writes. The folder of another one that was first is kept if it is intact; what
    killed processes left is removed.

    Args:
        folder: its path.
        fill: writes the files into the folder that it is given.
        check: raises unless the folder of another process is intact; None is `check_entry`.

    Raises:
        WorkError: the cache cannot be written.
    """
    with writing(folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
    with cache_lock(folder.parent.name), writing(folder.parent):
        _remove_leftovers(folder.parent)
        if _is_intact(folder, check or check_entry):
            return
        temporary = folder.with_name(f"{TEMPORARY}{folder.name[:40]}-{secrets.token_hex(4)}")
        try:
            temporary.mkdir()
            fill(temporary)
            _write_sums(temporary)
            for file in _files(temporary):
                sync(file)
            sync(temporary)
            remove_folder(folder)
            temporary.rename(folder)
            sync(folder.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def check_entry(folder: Path) -> None:
    """Check every file of a folder.

    Raises:
        ValueError: a file is missing, changed, not a plain file, or one too many.
        OSError: the folder or a file cannot be read.
    """
    if folder.is_symlink() or not folder.is_dir():
        raise ValueError("it is not a folder")
    files = {file.name: file for file in _files(folder)}
    for file in files.values():
        if file.is_symlink() or not file.is_file():
            raise ValueError(f"{file.name} is not a plain file")
    listed = files.pop(SUMS, None)
    if listed is None or listed.read_bytes() != _sums(files.values()).encode():
        raise ValueError("its files do not have their checksums")


def _is_intact(folder: Path, check: Callable[[Path], object]) -> bool:
    with suppress(Exception):  # whatever is wrong with it, it is written again
        check(folder)
        return True
    return False


def _files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def _write_sums(folder: Path) -> None:
    (folder / SUMS).write_text(_sums(_files(folder)), encoding="utf-8", newline="")


def _sums(files: Iterable[Path]) -> str:
    lines = []
    for file in files:
        with file.open("rb") as stream:
            lines.append(f"{hashlib.file_digest(stream, 'sha256').hexdigest()}  {file.name}\n")
    return "".join(lines)


def _remove_leftovers(folder: Path) -> None:
    """Delete what killed processes left; the caller holds the lock, so that nobody is writing it."""
    # What a link leads to belongs to somebody else.
    if not folder.is_symlink():
        for path in folder.glob(f"{TEMPORARY}*"):
            remove_folder(path)


def remove_folder(path: Path) -> None:
    """Delete a folder, or a file or link that has its name; links are not followed."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif os.path.lexists(path):
        path.unlink()
