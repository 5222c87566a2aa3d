"""Reading text files. Every error names the file and, if there is one, the line."""

from __future__ import annotations

import codecs
import io
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from seqlab.data.fetch import Checksums, checksums_of
from seqlab.data.sources.file_content import HEAD, guessed_encoding, is_utf8, marked_encoding, other_format
from seqlab.schema.errors import UserError, nearest, require_utf8

_ENCODINGS = ("utf-8", "utf-16", "cp1252", "latin-1", "cp1254", "shift_jis", "gb18030")
_KINDS = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
_BLOCK = 1 << 20  # characters read together
SETTING = "data.encoding="
"""How a user names an encoding where data is read by settings; the encoding follows."""


def user_path(name: str) -> Path:
    """The path that a user wrote; a leading `~` is the home folder."""
    try:
        return Path(name).expanduser()
    except RuntimeError:  # nobody has this name
        return Path(name)


def require_name(name: str) -> str:
    """The name of a file, if it can be written to a run's settings.

    Raises:
        UserError: it is empty, or not UTF-8.
    """
    if not name:
        raise UserError("A path must name a file or a folder. Got ''.")
    return require_utf8(name, "A path", " Rename the file, or make a link to it.")


def read_text(path: Path) -> str:
    """The text of a UTF-8 file with its line breaks unchanged.

    Raises:
        UserError: the file is missing, cannot be read, is empty or not UTF-8.
    """
    require_file(path)
    with _readable(path):
        data = path.read_bytes()
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


def whole_text(path: Path, encoding: str) -> str:
    """The text of a user's file, every line break as a line feed; see `text_lines` for what is refused."""
    require_file(path)
    parts: list[str] = []
    with _opened(path, encoding, None, SETTING) as file:
        while part := file.read(_BLOCK):
            if "\0" in part:
                raise _zero_byte(path, 1 + sum(one.count("\n") for one in (*parts, part.partition("\0")[0])))
            parts.append(part)
    return "".join(parts).removeprefix("\ufeff")


def text_lines(
    path: Path, encoding: str, newline: str | None = None, *, option: str = SETTING
) -> Iterator[str]:
    """The lines of a user's text file, which is read once; a byte order mark is skipped.

    Args:
        path: the file.
        encoding: one that `known_encoding` accepts.
        newline: as for `open`: None translates every line break to a line feed, "" leaves them unchanged.
        option: how the user names another encoding, for the message; the encoding follows.

    Raises:
        UserError: the file is missing or cannot be read, is compressed or binary, or is not in this encoding;
            the line is named.
    """
    with _opened(path, encoding, newline, option) as file:
        for number, line in enumerate(file, start=1):
            if "\0" in line:
                raise _zero_byte(path, number)
            yield line.removeprefix("\ufeff") if number == 1 else line


def line_breaks(path: Path) -> int:
    """The number of line feeds in a file, without reading it as text."""
    require_file(path)
    with _readable(path), path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(_BLOCK), b""))


@contextmanager
def _opened(path: Path, encoding: str, newline: str | None, option: str) -> Iterator[TextIO]:
    codec = "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding
    require_present(path)
    with _readable(path), path.open("rb") as data:
        head = data.peek(HEAD)[:HEAD]
        _check_content(path, head, encoding, option)
        try:
            with io.TextIOWrapper(data, encoding=codec, newline=newline) as file:
                yield file
        except UnicodeError:
            raise _undecodable(path, codec, encoding, head, option) from None


def _check_content(path: Path, head: bytes, encoding: str, option: str) -> None:
    if (other := other_format(head)) is not None:
        raise UserError(f"{path} must be a text file. Got {other}.")
    name = codecs.lookup(encoding).name
    wide = name.startswith(("utf-16", "utf-32"))
    guess = marked_encoding(head)
    if guess is None:
        guess = ("utf-8" if head and is_utf8(head) else None) if wide else guessed_encoding(head)
    if guess is not None and not name.startswith(guess):
        raise UserError(
            f"{path}:1 must be text in {encoding.upper()}. Got {guess.upper()}. Name its encoding: "
            f"{option}{guess}."
        )


def _zero_byte(path: Path, line: int) -> UserError:
    return UserError(f"{path}:{line} must be text. Got a zero byte, so that the file is binary or damaged.")


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn the operating system's errors while a file is read into a message that names it."""
    try:
        yield
    except FileNotFoundError:
        raise missing_file(path) from None
    except OSError as error:
        raise _unreadable(path, error) from None


def table_under_other_name(path: Path) -> str | None:
    """What a file with the name of a Parquet file is otherwise; None if it may be one.

    Raises:
        UserError: it cannot be read.
    """
    with _readable(path), path.open("rb") as file:
        head = file.read(HEAD)
    if not head or head.startswith(b"PAR1"):
        return None
    return other_format(head) or ("text: end its name in .csv, .tsv or .jsonl" if is_utf8(head) else None)


def file_checksums(path: Path) -> Checksums:
    """The checksums of a user's file.

    Raises:
        UserError: the file is missing, cannot be read, or can be read only once, as a pipe.
    """
    require_file(path)
    return checksums_of(path)


def require_file(path: Path) -> None:
    """Make sure that a file exists and can be read more than once.

    Raises:
        UserError: there is none (the file in the same folder with the most similar name is suggested), or it
            is a folder, a pipe or a device.
    """
    mode = require_present(path)
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "a device")
        remedy = " It is read more than once: write it to a file first." if stat.S_ISFIFO(mode) else ""
        raise UserError(f"{path} must be a file. Got {kind}.{remedy}")


def is_folder(path: Path) -> bool:
    """Whether a path is a folder; False where it cannot be reached."""
    try:
        return path.is_dir()
    except OSError:
        return False


def require_present(path: Path) -> int:
    """The mode of what has this path, a file, a pipe or a device.

    Raises:
        UserError: nothing has, or a folder, or it cannot be reached.
    """
    with _readable(path):
        mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise UserError(f"{path} must be a file. Got a folder.")
    return mode


def known_encoding(encoding: str) -> str:
    """Python's own name of an encoding, which is the same for all of its names.

    >>> known_encoding("UTF8"), known_encoding("latin-1")
    ('utf-8', 'iso8859-1')

    Raises:
        UserError: it has none.
    """
    try:
        # A lookup alone would accept codecs such as base64, which do not decode to text.
        "".encode(encoding)
    except (LookupError, ValueError):
        hint = nearest(encoding, _ENCODINGS)
        raise UserError(
            f"'encoding' must be one that Python knows, e.g. {', '.join(_ENCODINGS)}. Got {encoding!r}."
            f"{f' Nearest: {hint!r}.' if hint else ''}"
        ) from None
    return codecs.lookup(encoding).name


def missing_file(path: Path) -> UserError:
    """The error for a file that does not exist, with the most similar name in its folder."""
    try:
        siblings = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        siblings = []
    if path.is_symlink():
        return UserError(f"{path} must exist. Got a link to a file that does not exist.")
    hint = nearest(path.name, siblings)
    return UserError(f"{path} must exist. Got no such file.{f' Nearest: {hint!r}.' if hint else ''}")


def _unreadable(path: Path, error: OSError) -> UserError:
    return UserError(f"{path} must be a file that can be read. Got: {error.strerror or error}.")


def _undecodable(path: Path, codec: str, encoding: str, head: bytes, option: str) -> UserError:
    """The error that names the first line that cannot be decoded; the file is read again to find it."""
    line = f":{_undecodable_line(path, codec)}" if path.is_file() else ""
    # Files from other systems mostly have a Windows one-byte encoding.
    other = "utf-8" if encoding.lower() != "utf-8" and is_utf8(head) else "cp1252"
    return UserError(
        f"{path}{line} must be text in {encoding.upper()}. Got bytes that are not. Name its encoding, "
        f"perhaps: {option}{other}."
    )


def _undecodable_line(path: Path, codec: str) -> int:
    decoder = codecs.getincrementaldecoder(codec)()
    line = 1
    with path.open("rb") as file:
        # Line by line: a decoder discards all that it was given together with the error, so that larger
        # blocks would lose count of the lines before it.
        for data in file:
            try:
                line += decoder.decode(data).count("\n")
            except UnicodeError:
                break
    return line
