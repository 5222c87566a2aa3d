"""Lines of standard input, read as they are needed."""

from __future__ import annotations

import codecs
import io
import sys
from collections.abc import Iterator
from typing import BinaryIO

from seqlab.data.sources.file_content import HEAD, guessed_encoding, other_format
from seqlab.schema.errors import UserError

_BLOCK = 1 << 20


def standard_lines(encoding: str) -> Iterator[str]:
    """The lines of standard input, one block of which is in memory; a byte order mark is skipped.

    Only the line breaks of files end a line: `splitlines` also splits at other separators, within texts.

    Args:
        encoding: one that Python knows.

    Raises:
        UserError: it is closed, is no text, or is not in this encoding; the line is named.
    """
    if sys.stdin is None:
        raise UserError("Standard input must hold texts, one per line. Got a closed one.")
    # Bytes, because `sys.stdin` decodes by the terminal's encoding, and without the number of the line.
    return _lines(_texts(sys.stdin.buffer, encoding))


def _texts(stream: BinaryIO, encoding: str) -> Iterator[str]:
    """Decoded blocks, every line break as a line feed."""
    block = stream.read(HEAD)
    if (other := other_format(block)) is not None:
        raise UserError(f"Standard input must be text. Got {other}.")
    hint = f"Name its encoding, for example --encoding {guessed_encoding(block) or 'cp1252'}."
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding)(), translate=True)
    line, first = 1, True
    while True:
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            line += error.object.count(b"\n", 0, error.start)
            raise UserError(
                f"Standard input, line {line}, must be text in {encoding.upper()}. Got bytes that are not. "
                f"{hint}"
            ) from None
        if "\0" in text:
            line += text.count("\n", 0, text.index("\0"))
            raise UserError(f"Standard input, line {line}, must be text. Got a zero byte. {hint}")
        line += text.count("\n")
        yield text.removeprefix("\ufeff") if first else text
        first = first and not text
        if not block:
            return
        block = stream.read(_BLOCK)


def _lines(texts: Iterator[str]) -> Iterator[str]:
    begun: list[str] = []
    for text in texts:
        *whole, last = text.split("\n")
        if whole:
            yield "".join([*begun, whole[0], "\n"])
            yield from (f"{line}\n" for line in whole[1:])
            begun = []
        begun.append(last)
    if any(begun):
        yield "".join(begun)
