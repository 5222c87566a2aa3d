"""Encoded datasets on disk.

A folder is named after everything its content depends on, appears only when it is complete, and is never
changed; see `cache_entry`.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from pathlib import Path

from seqlab.data.cache_entry import entries_folder, remove_folder, write_entry
from seqlab.data.dataset import Dataset
from seqlab.data.encode import EncodableConfig, encode
from seqlab.data.encoded_files import read_files, write_files
from seqlab.data.fetch import cache_lock, writing
from seqlab.schema.errors import WorkError

ENCODING = 8
"""Version of a folder's content; raised when the same settings and sources give another one than before."""

_log = logging.getLogger(__name__)
_ENTRY = re.compile(r".+-[0-9a-f]{64}")


def load_or_encode(config: EncodableConfig, settings: str) -> Dataset:
    """The encoded dataset, from the cache, or read, encoded and put there.

    Args:
        config: of the dataset.
        settings: all of them as one text, part of the folder's name.

    Raises:
        UserError: a split holds nothing, or the source is not what it must be.
        WorkError: the cache folder cannot be written, or the source changed while it was read.
    """
    content = config.content_hash()
    folder = entry_path(config.kind, settings, content)
    if os.path.lexists(folder):
        try:
            return read_files(folder, config, content)
        except Exception as error:  # whatever is wrong with it, it can be encoded again
            _log.warning("%s is damaged (%s) and is encoded again.", folder, error)
    try:
        encoded = encode(config)
    except Exception:
        _check_unchanged(config, content)  # which would explain the error
        raise
    _check_unchanged(config, content)
    # With right checksums, too, it may be none that can be read.
    write_entry(
        folder, lambda empty: write_files(empty, encoded), lambda other: read_files(other, config, content)
    )
    return read_files(folder, config, content)


def entry_path(kind: str, settings: str, content: str) -> Path:
    """The folder of an encoded dataset, whether it exists or not.

    Args:
        kind: of the dataset.
        settings: all of them as one text.
        content: SHA-256 of its sources.
    """
    return entries_folder() / f"{kind}-{_key(settings, content)}"


def entries() -> list[Path]:
    """The folders of all encoded datasets."""
    folder = entries_folder()
    # What a link leads to belongs to somebody else.
    if folder.is_symlink() or not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if _ENTRY.fullmatch(path.name) and not path.is_symlink())


def remove_entry(folder: Path) -> None:
    """Delete an encoded dataset; a process that has opened it keeps it.

    Raises:
        WorkError: another process writes the cache, or it cannot be written.
    """
    with cache_lock(entries_folder().name), writing(folder.parent):
        remove_folder(folder)


def _check_unchanged(config: EncodableConfig, content: str) -> None:
    if config.content_hash() != content:
        raise WorkError(
            f"The source of {config.kind!r} must not change while it is read. Got other content after "
            f"reading than before. Nothing was kept. {config.if_changed}"
        )


def _key(settings: str, content: str) -> str:
    return hashlib.sha256(f"{settings}\n{content}\n{ENCODING}".encode()).hexdigest()
