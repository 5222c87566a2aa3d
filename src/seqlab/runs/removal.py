"""Deleting runs: what goes, what is kept because seqlab did not write it, and what loses them."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from seqlab.runs import atomic, checkpoints, run_folder, study_folder
from seqlab.runs.process_lock import LOCK, is_held, process_lock
from seqlab.runs.run_files import (
    CARDS,
    CHECKPOINTS,
    CODE_COPY,
    IDENTITY,
    SCORES,
    START_COPY,
    START_WEIGHTS,
    TENSORBOARD,
    WRONG,
)
from seqlab.runs.run_folder import FILES, resolve
from seqlab.runs.study_records import Trial
from seqlab.schema.errors import DamagedFileError, DiskError, InUseError, UserError

_WITHIN = {
    CARDS: re.compile(r"[^/]+\.json"),
    SCORES: re.compile(r"[^/]+\.safetensors"),
    WRONG: re.compile(r"[^/]+\.json"),
    CODE_COPY: re.compile(r".+"),
    START_COPY: re.compile(re.escape(START_WEIGHTS)),
    TENSORBOARD: re.compile(r"events\.out\.tfevents\.[^/]+"),
    CHECKPOINTS: checkpoints.WRITTEN,
}
"""What is written in each folder of a run, by path."""


@dataclass(frozen=True)
class Removal:
    """A run to delete.

    path: its folder. files: what is deleted, the first one first. folders: what is deleted once it is empty.
    kept: what seqlab did not write, links among it. bytes: of the files.
    """

    path: Path
    files: tuple[Path, ...]
    folders: tuple[Path, ...]
    kept: tuple[Path, ...]
    bytes: int


@dataclass(frozen=True)
class Holder:
    """A study that a run is part of, as one of `runs`."""

    study: str
    trial: Trial
    runs: int


def plan(path: Path) -> Removal:
    """What deleting a run means; nothing is changed.

    Raises:
        InUseError: a process works in the folder.
        DamagedFileError: the folder is a link, or cannot be read.
    """
    if path.is_symlink():
        raise DamagedFileError(f"{path} must be the folder of a run. Got a link; name what it leads to.")
    if is_held(path):
        raise InUseError(f"{path} is in use by another process. Wait for it, or stop it.")
    files, folders, kept = list[Path](), list[Path](), list[Path]()
    try:
        for file, mode in _entries(path):
            known = _is_known(file.relative_to(path), mode)
            (kept if not known else folders if stat.S_ISDIR(mode) else files).append(file)
        size = sum(os.lstat(file).st_size for file in files)
    except OSError as error:
        raise DamagedFileError(f"{path} cannot be read: {error.strerror or error}.") from None
    # Without its identity it is no run any more, whatever happens afterwards; the lock is held to the end.
    files.sort(key=lambda file: (file.name == LOCK, file != path / IDENTITY))
    return Removal(path, tuple(files), tuple(reversed(folders)), tuple(kept), size)


def remove(removal: Removal) -> None:
    """Delete a run's files; its folder goes, too, unless something is kept in it.

    A folder that is gone by now, as another process has deleted it, is no error.

    Raises:
        InUseError: a process works in the folder.
        DiskError: a file cannot be deleted.
    """
    try:
        _remove_locked(removal)
    except DiskError:
        if os.path.lexists(removal.path):
            raise


def _remove_locked(removal: Removal) -> None:
    path = removal.path
    with (
        process_lock(path / LOCK, f"{path} is in use by another process. Wait for it, or stop it."),
        atomic.disk_errors(path, "repeat the command"),
    ):
        for file in (*removal.files, path / LOCK):
            file.unlink(missing_ok=True)
        for folder in (*removal.folders, path):
            # What is not empty holds something that is kept.
            with suppress(OSError):
                folder.rmdir()


def holders(name: str) -> tuple[list[Holder], dict[str, str]]:
    """The studies that a run is part of, and why each that may be one of them cannot be read, by name."""
    found: list[Holder] = []
    unreadable: dict[str, str] = {}
    for study in study_folder.names():
        try:
            trials = study_folder.find(study).trials()
        except UserError as error:
            unreadable[study] = str(error)
            continue
        found += [Holder(study, trial, len(trials)) for trial in trials if resolve(trial.run).name == name]
    return found, unreadable


def ensembles(name: str) -> list[str]:
    """The ensembles that a run is a member of; damaged runs are none."""
    found: list[str] = []
    for other in run_folder.names():
        with suppress(UserError):
            settings = run_folder.open_run(run_folder.root() / other).settings()
            members = settings.get("ensemble", {}).get("members", ())
            found += [other] if any(resolve(member).name == name for member in members) else []
    return found


def _entries(folder: Path) -> Iterator[tuple[Path, int]]:
    """Everything in a folder with its mode, a folder before what it holds; no link is followed."""
    with os.scandir(folder) as scanned:
        entries = sorted(scanned, key=lambda entry: entry.name)
    for entry in entries:
        mode = entry.stat(follow_symlinks=False).st_mode
        yield Path(entry.path), mode
        if stat.S_ISDIR(mode):
            yield from _entries(Path(entry.path))


def _is_known(path: Path, mode: int) -> bool:
    """Whether seqlab writes files or folders of this path, which is relative to a run's folder."""
    top, _, below = path.as_posix().partition("/")
    if any(part.startswith(atomic.TEMPORARY) for part in path.parts):
        return stat.S_ISREG(mode) or stat.S_ISDIR(mode)
    if stat.S_ISDIR(mode):
        return top in _WITHIN and (not below or _is_within(top, below))
    return stat.S_ISREG(mode) and (_is_within(top, below) if below else top in FILES)


def _is_within(folder: str, below: str) -> bool:
    return folder in _WITHIN and _WITHIN[folder].fullmatch(below) is not None
