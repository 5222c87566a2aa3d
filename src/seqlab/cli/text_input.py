"""Texts that a command reads: its arguments, a table, the lines of a file or of standard input."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from seqlab.cli.standard_input import standard_lines
from seqlab.schema.errors import UserError

if TYPE_CHECKING:
    from seqlab.data.dataset_config import DatasetConfig
    from seqlab.data.sources.text_rows import TextSource

_ENCODING, _TEXT_COLUMN = "--encoding ", "--text-column "


class TextOptions(NamedTuple):
    """What the user says of the texts: the file, and how it is read."""

    file: Path | None
    text_column: str | None
    id_column: str | None
    separator: str | None
    encoding: str | None


def check_one_source(texts: Sequence[str], file: Path | None) -> None:
    """Check that texts are not both arguments and in a file.

    Raises:
        UserError: they are.
    """
    if texts and file is not None:
        raise UserError("Texts are given either as arguments or by '--file'. Got both.")


def text_source(data: DatasetConfig, texts: Sequence[str], reading: TextOptions, *, keep: bool) -> TextSource:
    """The given texts, else those of a table, else the lines of another file or of standard input.

    Args:
        data: of the run; a table is read as its own was.
        texts: given as arguments.
        reading: the file, and how it is read.
        keep: whether other columns of a table are wanted.

    Raises:
        UserError: the file cannot be read so.
    """
    from seqlab.data.sources.missing_texts import given_texts
    from seqlab.data.sources.table_format import Column, separator_of
    from seqlab.data.sources.table_rows import is_table
    from seqlab.data.sources.text_files import known_encoding, line_breaks, text_lines, user_path
    from seqlab.data.sources.text_rows import LineSource, TableSource

    if texts:
        return LineSource(given_texts(texts), len(texts), "text")
    file = reading.file
    path = None if file is None or str(file) == "-" else user_path(str(file))
    if path is not None and is_table(path):
        style = dataclasses.replace(data.table_format(), encoding_option=_ENCODING, settings=False)
        if reading.encoding is not None:
            style = dataclasses.replace(style, encoding=known_encoding(reading.encoding))
        if reading.separator is not None:
            style = dataclasses.replace(style, separator=separator_of(reading.separator))
        usual = Column(data.table_column().name, _TEXT_COLUMN)
        text = None if reading.text_column is None else Column(reading.text_column, _TEXT_COLUMN)
        kept = None if reading.id_column is None else Column(reading.id_column, "--id-column ")
        return TableSource(path, style, usual=usual, text=text, kept=kept, keep=keep)
    for option in ("text_column", "id_column", "separator"):
        if getattr(reading, option) is not None:
            raise UserError(f"'{option.replace('_', '-')}' needs a table as 'file'. Got {str(file)!r}.")
    encoding = known_encoding(reading.encoding or "utf-8")
    if path is not None:
        return LineSource(
            _stripped(text_lines(path, encoding, option=_ENCODING)), line_breaks(path) + 1, "line"
        )
    return LineSource(_stripped(standard_lines(encoding)), 0, "line")


def _stripped(lines: Iterable[str]) -> Iterator[str]:
    return (line.removesuffix("\n") for line in lines)
