"""Reading text files. Every error names the file and, if there is one, the line."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from seqlab.schema.errors import UserError, nearest

_ENCODINGS = ("utf-8", "utf-16", "cp1252", "latin-1", "cp1254", "shift_jis", "gb18030")


def read_text(path: Path) -> str:
    """The text of a UTF-8 file with its line breaks unchanged.

    Raises:
        UserError: the file is missing, cannot be read, is empty or not UTF-8.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise missing_file(path) from None
    except OSError as error:
        raise _unreadable(path, error) from None
    if not data:
        raise UserError(f"{path} must contain text. Got an empty file.")
    return decode_utf8(data, str(path))


def decode_utf8(data: bytes, source: str) -> str:
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
    """A user's text file, open for reading; a UTF-8 byte order mark is skipped.

    Args:
        path: the file.
        encoding: one that `known_encoding` accepts.
        newline: as for `open`: None translates every line break to a line feed, "" leaves them unchanged.

    Raises:
        UserError: the file is missing or cannot be read, or what is read while it is open is not in this
            encoding; the line is named.
    """
    codec = "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding
    require_file(path)
    try:
        with path.open(encoding=codec, newline=newline) as file:
            yield file
    except UnicodeError:
        raise _undecodable(path, codec, encoding) from None
    except OSError as error:
        raise _unreadable(path, error) from None


def require_file(path: Path) -> None:
    """Make sure that a file exists.

    Raises:
        UserError: there is none; the file in the same folder with the most similar name is suggested.
    """
    if path.is_dir():
        raise UserError(f"{path} must be a file. Got a folder.")
    if not path.exists():
        raise missing_file(path)


def known_encoding(encoding: str) -> str:
    """The encoding, if Python has one of this name.

    Raises:
        UserError: it has none.
    """
    try:
        # A lookup alone would accept codecs such as base64, which do not decode to text.
        "".encode(encoding)
    except LookupError:
        hint = nearest(encoding, _ENCODINGS)
        raise UserError(
            f"'encoding' must be one that Python knows, e.g. {', '.join(_ENCODINGS)}. Got {encoding!r}."
            f"{f' Nearest: {hint!r}.' if hint else ''}"
        ) from None
    return encoding


def missing_file(path: Path) -> UserError:
    """The error for a file that does not exist, with the most similar name in its folder."""
    siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    hint = nearest(path.name, siblings)
    return UserError(f"{path} must exist. Got no such file.{f' Nearest: {hint!r}.' if hint else ''}")


def _unreadable(path: Path, error: OSError) -> UserError:
    return UserError(f"{path} must be a file that can be read. Got: {error.strerror or error}.")


def _undecodable(path: Path, codec: str, encoding: str) -> UserError:
    """The error that names the first line that cannot be decoded; the file is read again to find it."""
    decoder = codecs.getincrementaldecoder(codec)()
    line = 1
    with path.open("rb") as file:
        beginning = file.read(2)
        file.seek(0)
        # Line by line: a decoder discards all that it was given together with the error, so that larger
        # blocks would lose count of the lines before it.
        for data in file:
            try:
                line += decoder.decode(data).count("\n")
            except UnicodeError:
                break
    # Files from other systems mostly have a Windows one-byte encoding or begin with UTF-16's byte order mark.
    other = "utf-16" if beginning in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "cp1252"
    return UserError(
        f"{path}:{line} must be text in {encoding.upper()}. Got bytes that are not. Name its encoding, "
        f"perhaps: --encoding {other} (the setting data.encoding)."
    )
