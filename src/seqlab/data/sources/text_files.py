"""Reading sources: text files and archives. Every error names the file and the place in it."""

from __future__ import annotations

import codecs
import gzip
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from seqlab.schema.errors import UserError, nearest

_ENCODINGS = ("utf-8", "utf-16", "cp1252", "latin-1", "cp1254", "shift_jis", "gb18030")
_BROKEN = (tarfile.TarError, zlib.error, EOFError, OSError)


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, line breaks as they are.

    Raises:
        UserError: the file is missing, cannot be read, is empty or not UTF-8.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise _missing(path) from None
    except OSError as error:
        raise UserError(f"{path} must be a file that can be read. Got: {error.strerror or error}.") from None
    if not data:
        raise UserError(f"{path} must hold text. Got an empty file.")
    return decode(data, str(path))


def decode(data: bytes, source: str) -> str:
    """Bytes of UTF-8 as text; `source` is named in the error.

    Raises:
        UserError: the bytes are not UTF-8.
    """
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = data[error.start]
        raise UserError(
            f"{source}:{line} must be UTF-8. Got byte 0x{byte:02x} at byte {error.start} of the file."
        ) from None


@contextmanager
def open_text(path: Path, encoding: str, newline: str | None = None) -> Iterator[TextIO]:
    """A user's own text file, open for reading; a mark of UTF-8 at its beginning is no text.

    Args:
        path: the file.
        encoding: one that `known_encoding` lets through.
        newline: as of `open`: None reads every kind of line break as a line feed, "" leaves all as they are.

    Raises:
        UserError: the file is missing or cannot be read, or what is read while it is open is not in
            this encoding; the line is named.
    """
    codec = "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding
    require_file(path)
    try:
        with path.open(encoding=codec, newline=newline) as file:
            yield file
    except UnicodeError:
        raise _undecodable(path, codec, encoding) from None
    except OSError as error:
        raise UserError(f"{path} must be a file that can be read. Got: {error.strerror or error}.") from None


def require_file(path: Path) -> None:
    """Make sure that there is a file.

    Raises:
        UserError: there is none; the neighbour with the nearest name is offered.
    """
    if path.is_dir():
        raise UserError(f"{path} must be a file. Got a folder.")
    if not path.exists():
        raise _missing(path)


def known_encoding(encoding: str) -> str:
    """The encoding, if Python has one of this name.

    Raises:
        UserError: it has none.
    """
    try:
        # Some codecs turn bytes into bytes; those are none of text.
        "".encode(encoding)
    except LookupError:
        hint = nearest(encoding, _ENCODINGS)
        raise UserError(
            f"'encoding' must be one that Python knows, e.g. {', '.join(_ENCODINGS)}. Got {encoding!r}."
            f"{f' Nearest: {hint!r}.' if hint else ''}"
        ) from None
    return encoding


def _undecodable(path: Path, codec: str, encoding: str) -> UserError:
    """The error that names the first line that cannot be decoded; the file is read once more for it."""
    decoder = codecs.getincrementaldecoder(codec)()
    line = 1
    with path.open("rb") as file:
        beginning = file.read(2)
        file.seek(0)
        # By the line, so that what an error holds back is a part of one line at most.
        for data in file:
            try:
                line += decoder.decode(data).count("\n")
            except UnicodeError:
                break
    # Files of other systems: most are Windows's one-byte encoding or begin with UTF-16's mark.
    other = "utf-16" if beginning in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "cp1252"
    return UserError(
        f"{path}:{line} must be text in {encoding.upper()}. Got bytes that are not. Name its encoding, "
        f"perhaps: --encoding {other} (the setting data.encoding)."
    )


def archive_texts(archive: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
    """Names and texts of the wanted members of a .tar.gz; nothing is unpacked to disk.

    All members are checked, the wanted and the others, to the end of the archive.

    Raises:
        UserError: the archive is missing, cut short or damaged; a member's name leads out of the archive;
            a member is neither a file nor a folder; a wanted text is not UTF-8.
    """
    for name, data in _members(archive, wanted):
        yield name, decode(data, f"{archive}, {name}")


def _members(archive: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    last = "its beginning"
    try:
        with gzip.open(archive) as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
            while (member := tar.next()) is not None:
                tar.members.clear()  # pyright: ignore  # else all are kept until the archive is closed
                _check(member, archive)
                last = f"member {member.name!r}"
                if member.isfile() and wanted(member.name):
                    file = tar.extractfile(member)
                    assert file is not None, "it is a file"
                    yield member.name, file.read()
            # tarfile takes a broken header for the end; at the true end nothing but zeros follow.
            if not _only_zeros(stream):
                raise UserError(f"{archive} must be a whole .tar.gz archive. Got a damaged one after {last}.")
    except FileNotFoundError:
        raise _missing(archive) from None
    except _BROKEN as error:
        raise UserError(
            f"{archive} must be a whole .tar.gz archive. Got a damaged one after {last}: {error}."
        ) from None


def _check(member: tarfile.TarInfo, archive: Path) -> None:
    parts = member.name.replace("\\", "/").split("/")
    if not parts[0] or parts[0].endswith(":") or ".." in parts:
        raise UserError(f"{archive} must hold paths inside the archive only. Got the member {member.name!r}.")
    if not (member.isfile() or member.isdir()):
        what = "a link" if member.issym() or member.islnk() else "a device or the like"
        raise UserError(f"{archive} must hold files and folders only. Got {what}, {member.name!r}.")


def _only_zeros(stream: gzip.GzipFile) -> bool:
    """Whether zeros follow, at least one, up to the end; reading there also checks gzip's sum."""
    found = False
    while block := stream.read(1 << 20):
        if block.count(0) != len(block):
            return False
        found = True
    return found


def _missing(path: Path) -> UserError:
    siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    hint = nearest(path.name, siblings)
    return UserError(f"{path} must exist. Got no such file.{f' Nearest: {hint!r}.' if hint else ''}")
