"""The files of a folder: which of them are read, and which are left out."""

from __future__ import annotations

import fnmatch
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from seqlab.data.sources.text_files import is_folder, require_file
from seqlab.schema.errors import UserError


def require_pattern(pattern: str) -> str:
    """The pattern, if it cannot match anything outside of the folder.

    Raises:
        UserError: it is a path from the root, or contains `..`.
    """
    parts = PurePosixPath(pattern.replace("\\", "/")).parts
    if not parts or ".." in parts or parts[0] == "/" or parts[0].endswith(":"):
        raise UserError(
            "'pattern' must match names inside the folder 'path', as *.txt and part/*.md do. "
            f"Got {pattern!r}."
        )
    return pattern


@dataclass
class FoundFiles:
    """The files to read, sorted by name, and how many others a folder has, by the reason against them."""

    folder: Path
    files: list[Path] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    extensions: set[str] = field(default_factory=set)

    def note(self) -> str:
        """How many files are read."""
        files = "1 file was" if len(self.files) == 1 else f"{len(self.files):,} files were"
        return f"{files} read in {self.folder}{f'; left out: {rest}' if (rest := self.rest()) else ''}."

    def rest(self) -> str:
        """What is left out, by the reason."""
        return ", ".join(f"{count:,} {reason}" for reason, count in sorted(self.left_out.items()))


def find_files(path: Path, pattern: str) -> FoundFiles:
    """The file itself, or the matching files of a folder and its subfolders, sorted by name.

    What is hidden (its name begins with a dot) is left out, and so are links: they are copies, or lead out of
    the folder.

    Raises:
        UserError: there is no such file, none in the folder matches, or a folder cannot be read.
    """
    if not is_folder(path):
        require_file(path)
        return FoundFiles(path, [path])
    found = FoundFiles(path)
    parts = ("**", *PurePosixPath(pattern).parts)
    for root, folders, names in os.walk(path, onerror=_unreadable):
        for name in (*folders, *names):
            _sort_in(found, Path(root, name), parts, is_folder=name in folders)
        folders[:] = [name for name in folders if not name.startswith(".")]
    if not found.files:
        raise _none_matches(found, pattern)
    found.files.sort()
    return found


def _sort_in(found: FoundFiles, path: Path, pattern: Sequence[str], *, is_folder: bool) -> None:
    """Add a path to the files, or count why it is left out."""
    if path.name.startswith("."):
        found.left_out["hidden"] += 1
    elif path.is_symlink():
        found.left_out["links"] += 1
    elif not _matches(path.relative_to(found.folder).parts, pattern):
        if not is_folder:
            found.left_out["of other names"] += 1
            found.extensions.add(path.suffix)
    elif path.is_file():
        found.files.append(path)
    else:
        found.left_out["folders, pipes or devices of this name"] += 1


def _matches(path: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether the parts of a path match those of a pattern; `**` is any number of folders.

    Every part is compared with every part of the pattern once at most.
    """
    reached = _after_folders({0}, pattern)
    for part in path:
        stays = {index for index in reached if index < len(pattern) and pattern[index] == "**"}
        others = reached - stays - {len(pattern)}
        moves = {index + 1 for index in others if fnmatch.fnmatchcase(part, pattern[index])}
        reached = _after_folders(stays | moves, pattern)
    return len(pattern) in reached


def _after_folders(reached: set[int], pattern: Sequence[str]) -> set[int]:
    """Numbers of parts of a pattern that match a path, also with no folder for each `**` after them."""
    for index in range(len(pattern)):
        if index in reached and pattern[index] == "**":
            reached.add(index + 1)
    return reached


def _none_matches(found: FoundFiles, pattern: str) -> UserError:
    extensions = ", ".join(sorted(one or "none" for one in found.extensions))
    rest = f" Left out: {found.rest()}." if found.left_out else ""
    return UserError(
        f"{found.folder} must contain files that match 'data.pattern', {pattern!r}. "
        f"Got none; its files have the extensions: {extensions or 'none at all'}.{rest}"
    )


def _unreadable(error: OSError) -> None:
    raise UserError(f"{error.filename} must be a folder that can be read. Got: {error.strerror}.")
