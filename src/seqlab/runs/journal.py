"""Append-only files with one record per line, which can be cut back to the state of a checkpoint.

Each line has a check that also covers the check of the line before, and the first one the journal's subject.
So a line that was changed, left out, moved or taken from elsewhere is noticed (`seal`).

The subject of a run's journal is its name alone, so that equal lines make equal files, whatever the run; a
mark, which is kept in another file, binds all lines before it to the run. The subject of a study's journal
is the study, too.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import with_config
from typing_extensions import TypedDict

from seqlab.runs import atomic
from seqlab.runs.atomic import disk_errors
from seqlab.runs.plain_files import open_to_write, read_bytes
from seqlab.runs.seal import check_of, seal, unseal
from seqlab.schema.errors import DamagedFileError, UserError
from seqlab.schema.json_shapes import EXACT, Count

Parsed = TypeVar("Parsed")
OnDamage = Callable[[UserError], None]
"""Receives the error of a broken line, which is then left out."""


@with_config(EXACT)
class JournalMark(TypedDict):
    """A journal at one moment: its size, and the check of its last line; of an empty one its subject."""

    bytes: Count
    check: str


class Journal:
    """An append-only file of lines.

    Each line is passed to the operating system at once, so that a killed process loses none; `sync` flushes
    all of them to the disk and returns the mark that a checkpoint keeps.
    """

    def __init__(self, path: Path, mark: JournalMark | None):
        """Open the file and cut it to a mark, the state of the checkpoint resumed from.

        Args:
            path: of the file.
            mark: where to continue, from `mark_of` or checked by `check_journal`; None at the beginning of
                a journal whose subject is its name.

        Raises:
            WorkError: it cannot be written.
        """
        size, self._check = (mark["bytes"], mark["check"]) if mark is not None else (0, path.name)
        self._path = path
        with disk_errors(path):
            if os.path.lexists(path) and os.lstat(path).st_nlink > 1:
                # Another name of the same file must keep its content.
                atomic.write_bytes(path, read_bytes(path)[:size])
            self._file = os.fdopen(open_to_write(path, os.O_WRONLY | os.O_APPEND), "ab", buffering=0)
            self._file.truncate(size)

    def append(self, line: str) -> None:
        """Add one line, a JSON object.

        Raises:
            WorkError: the disk is full; the incomplete line is removed.
        """
        end = os.fstat(self._file.fileno()).st_size
        sealed = seal(line, self._check)
        with disk_errors(self._path):
            try:
                atomic.write_all(self._file.write, f"{sealed}\n".encode())
            except OSError:
                self._file.truncate(end)
                raise
        self._check = unseal(sealed)[1] or ""

    def sync(self) -> JournalMark:
        """Flush everything to the disk; returns the mark of the journal as it is now."""
        with disk_errors(self._path):
            os.fsync(self._file.fileno())
        return {"bytes": os.fstat(self._file.fileno()).st_size, "check": self._check}

    def close(self) -> None:
        """Release the file."""
        self._file.close()


def read_lines(
    path: Path,
    parse: Callable[[str, str], Parsed],
    on_damage: OnDamage | None = None,
    mark: JournalMark | None = None,
    subject: str | None = None,
) -> Iterator[Parsed]:
    """Every line of a journal, parsed; nothing where there is no file.

    A last line without its end is left out: it is being written, or its writer was killed.

    Args:
        path: of the file.
        parse: takes a line without its check and its source, `file:number`, for messages.
        on_damage: None: a broken line is an error.
        mark: a moment that the journal must have had; None: any.
        subject: of the journal; None: its name.

    Raises:
        UserError: a line is broken, or the journal did not have that moment.
    """
    content = read_bytes(path) if os.path.lexists(path) else b""
    refuse = _raise if on_damage is None else on_damage
    for line, source, error in _unsealed(content, path, subject or path.name):
        if error is not None:
            refuse(error)
            continue
        try:
            parsed = parse(line, source)
        except UserError as broken:
            refuse(broken)
        else:
            yield parsed
    if mark is not None and (error := _differs(content, path, mark)) is not None:
        refuse(error)


def journal_text(lines: Iterable[str], subject: str) -> str:
    """The text of a journal of this subject, as `Journal` would write these lines one by one."""
    sealed: list[str] = []
    for line in lines:
        sealed.append(seal(line, subject))
        subject = unseal(sealed[-1])[1] or ""
    return "".join(f"{line}\n" for line in sealed)


def check_journal(path: Path, mark: JournalMark) -> None:
    """Make sure that a journal is what was written up to a mark.

    Raises:
        UserError: it is shorter, or was changed.
    """
    content = read_bytes(path) if os.path.lexists(path) else b""
    for _, _, error in _unsealed(content[: mark["bytes"]], path, path.name):
        if error is not None:
            raise error
    if (error := _differs(content, path, mark)) is not None:
        raise error


def mark_of(path: Path, subject: str | None = None) -> JournalMark:
    """The mark of a journal as it is now, without a line that has no end; see `read_lines`.

    Raises:
        UserError: the last line has no check.
    """
    content = read_bytes(path) if os.path.lexists(path) else b""
    size = content.rfind(b"\n") + 1
    check = _last_check(content[:size]) if size else subject or path.name
    if check is None:
        raise DamagedFileError(f"{path} is damaged: its last line has no 'check'. Restore it from a copy.")
    return {"bytes": size, "check": check}


def _unsealed(content: bytes, path: Path, subject: str) -> Iterator[tuple[str, str, DamagedFileError | None]]:
    """Each whole line without its check, its source, and what is wrong with it."""
    before: str | None = subject
    for number, raw in enumerate(content.split(b"\n")[:-1], start=1):
        source, line, check = f"{path}:{number}", "", None
        try:
            line, check = unseal(raw.decode("utf-8"))
            fits = check is not None and before is not None and check == check_of(line, before)
            error = None if fits else _does_not_fit(source, line)
        except UnicodeDecodeError:
            error = DamagedFileError(f"{source} is damaged: it is not UTF-8 text.")
        yield line, source, error
        before = check


def _does_not_fit(source: str, line: str) -> DamagedFileError:
    return DamagedFileError(
        f"{source} is damaged: it does not fit its 'check'. It or a line before it was changed, or belongs "
        f"elsewhere. Restore the file from a copy. Got {line[:80]!r}."
    )


def _differs(content: bytes, path: Path, mark: JournalMark) -> DamagedFileError | None:
    """What is wrong where a journal with sound lines did not have a mark."""
    if len(content) < mark["bytes"]:
        return DamagedFileError(
            f"{path} must hold at least the {mark['bytes']} bytes that it had when they were recorded. "
            f"Got {len(content)}. Restore the file from a copy, or delete the folder to start again."
        )
    if mark["bytes"] and _last_check(content[: mark["bytes"]]) != mark["check"]:
        return DamagedFileError(
            f"{path} is not what it was when its {mark['bytes']} bytes were recorded. "
            "Restore the file from a copy, or delete the folder to start again."
        )
    return None


def _last_check(content: bytes) -> str | None:
    last = content[content.rfind(b"\n", 0, -1) + 1 : -1] if content.endswith(b"\n") else b""
    return unseal(last.decode("utf-8", errors="replace"))[1]


def _raise(error: UserError) -> None:
    raise error
