"""What a file holds, by its first bytes: archives, compressed and binary files under the name of a text."""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager

from seqlab.schema.errors import UserError

HEAD = 4096
"""Bytes from which the content is recognised."""
# Longest first: UTF-32's mark begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WIDE = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
_FORMATS = (
    (b"\x1f\x8b", "a gzip file: unpack it, for example with gunzip"),
    (b"BZh", "a bzip2 file: unpack it, for example with bunzip2"),
    (b"\xfd7zXZ\0", "an xz file: unpack it, for example with unxz"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file: unpack it, for example with unzstd"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it"),
    (b"Rar!\x1a\x07", "a RAR archive: unpack it"),
    (b"PAR1", "a Parquet file: end its name in .parquet"),
    (b"ARROW1\0\0", "an Arrow file: save it as Parquet"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file: save the table as CSV"),
    (b"SQLite format 3\0", "an SQLite database: save the table as CSV"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document: save it as CSV or as plain text"),
    (b"%PDF-", "a PDF document: save it as plain text"),
    (b"{\\rtf", "an RTF document: save it as plain text"),
    (b"\x80\x04\x95", "a Python pickle: save the table as CSV"),
)
_IN_ZIP = (
    (b"xl/", "an Excel workbook: save it as CSV"),
    (b"word/", "a Word document: save it as plain text"),
    (b"mimetypeapplication/vnd.oasis", "an OpenDocument file: save it as CSV or as plain text"),
    (b"", "a zip archive: unpack it"),
)


def other_format(head: bytes) -> str | None:
    """What a file is that is no text, and what to do with it; None where its first bytes do not tell.

    >>> other_format(b"PAR1..."), other_format(b"text,label")
    ('a Parquet file: end its name in .parquet', None)
    """
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        # The names of a document's parts are in the headers of the archive.
        return next(name for part, name in _IN_ZIP if part in head)
    if head[257:262] == b"ustar":
        return "a tar archive: unpack it"
    return next((name for magic, name in _FORMATS if head.startswith(magic)), None)


def marked_encoding(head: bytes) -> str | None:
    """The encoding that a byte order mark names."""
    return next((name for mark, name in _MARKS if head.startswith(mark)), None)


def guessed_encoding(head: bytes) -> str | None:
    """The encoding that the first bytes of a text show by a byte order mark, or by zero bytes.

    UTF-16 and UTF-32 write ASCII characters with zero bytes.

    >>> guessed_encoding("text,label".encode("utf-16-be")), guessed_encoding(b"text,label")
    ('utf-16-be', None)
    """
    if marked := marked_encoding(head):
        return marked
    # A zero byte within text in UTF-8 is damage. In UTF-16, Latin text has one in nearly every pair of bytes;
    # Chinese text has few, and its other bytes are not UTF-8.
    if 0 in head and (head.count(0) > 0.2 * len(head) or not is_utf8(head.replace(b"\0", b""))):
        texts = {name: text for name in _WIDE if (text := _decoded(head, name)) is not None}
        # In the wrong order of bytes, ASCII characters become others.
        return max(texts, key=lambda name: sum(map(str.isascii, texts[name])), default=None)
    return None


def is_utf8(head: bytes) -> bool:
    """Whether the first bytes of a file are text in UTF-8."""
    return _decoded(head, "utf-8") is not None


def _decoded(head: bytes, encoding: str) -> str | None:
    """Bytes as text, without a last character that is cut; None if they are no text in this encoding."""
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeDecodeError:
        return None
    return None if any(one == "\0" or unicodedata.category(one) in ("Cn", "Co") for one in text) else text


@contextmanager
def damages(requirement: str) -> Iterator[None]:
    """Turn whatever a foreign reader raises on a damaged file into a sentence.

    Some readers are written in Rust, whose panics are not subclasses of `Exception`.

    Args:
        requirement: what must hold, as a sentence.

    Raises:
        UserError: anything was raised but an exit, an interrupt or an error of the package's own.
    """
    try:
        yield
    except (UserError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        lines = str(error).splitlines() or [type(error).__name__]
        raise UserError(f"{requirement} Got: {lines[0][:200].rstrip('.')}.") from None
