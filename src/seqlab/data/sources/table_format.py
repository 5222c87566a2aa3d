"""How a table is written, which of its columns are wanted, and where its rows are, for messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from seqlab.data.sources.text_files import SETTING
from seqlab.schema.errors import UserError, in_quotes, nearest, with_value
from seqlab.schema.visible import shortened

SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
"""Separators with a name; a shell would read some of them as its own."""


_SHOWN = 20
"""Names of columns in a message."""


class TableRow(NamedTuple):
    """The position of a row (its first line, or its number in a Parquet file), its values, and its lines.

    In CSV and TSV every value is text; JSONL and Parquet have types. See `as_text`.
    """

    position: int
    values: tuple[Any, ...]
    lines: int = 1


class Column(NamedTuple):
    """The name of a column, or its number from 1, and how the user chooses it; the name follows `option`."""

    name: str
    option: str

    def chosen_by(self, name: str) -> str:
        """What a user types to choose another column."""
        return with_value(self.option, name)


@dataclass(frozen=True)
class TableFormat:
    """How tables are written.

    encoding: of CSV, TSV and JSONL; Parquet is always UTF-8. separator: of CSV and TSV; None: it is found by
    the header. quoting: whether their fields may be in double quotes; None: in CSV only.
    encoding_option: how the user names another encoding, which follows. settings: whether the user can give
    the other two as settings of the data.
    """

    encoding: str = "utf-8"
    separator: str | None = None
    quoting: bool | None = None
    encoding_option: str = SETTING
    settings: bool = True

    def advice(self, sentence: str) -> str:
        """A sentence with a setting, preceded by a space; empty where the user cannot give one."""
        return f" {sentence}" if self.settings else ""


def separator_of(name: str) -> str:
    """The separator with this name, or the character itself.

    >>> separator_of("semicolon"), separator_of("^")
    (';', '^')

    Raises:
        UserError: it is neither.
    """
    separator = {**SEPARATORS, "\\t": "\t"}.get(name, name)
    if len(separator) != 1 or separator in '"\r\n\0':
        raise UserError(
            f"'separator' must be {', '.join(SEPARATORS)} or one character other than a quote. Got {name!r}."
        )
    return separator


def separator_name(separator: str) -> str:
    """The name of a separator, or the character itself."""
    return next((name for name, character in SEPARATORS.items() if character == separator), separator)


def location(path: Path, position: int) -> str:
    """Where a row is, for a message.

    >>> location(Path("a.csv"), 7), location(Path("a.parquet"), 7)
    ('a.csv:7', 'a.parquet, row 7')
    """
    return f"{path}, row {position}" if path.suffix.lower() == ".parquet" else f"{path}:{position}"


def find_column(path: Path, known: Sequence[str], column: Column) -> int:
    """The index of a column: by its name, with or without spaces around it, else by its number from 1.

    >>> find_column(Path("a.csv"), ["id", " text"], Column("text", ""))
    1
    >>> find_column(Path("a.csv"), ["id", "text"], Column("1", ""))
    0

    Raises:
        UserError: there is none, or several have this name.
    """
    if not known:
        raise UserError(f"{path} must contain a table. Got an empty file.")
    indices = [index for index, name in enumerate(known) if name == column.name]
    indices = indices or [index for index, name in enumerate(known) if name.strip() == column.name.strip()]
    if len(indices) > 1:
        raise UserError(
            f"{path} must have one column {in_quotes(column.name)}. Got {len(indices)} of this name. "
            f"Choose one by its number: {column.chosen_by(str(indices[0] + 1))}."
        )
    return indices[0] if indices else _by_number(path, known, column)


def _by_number(path: Path, known: Sequence[str], column: Column) -> int:
    name = column.name.strip()
    if name.isascii() and name.isdigit() and len(name) < 9 and 1 <= int(name) <= len(known):
        return int(name) - 1
    hint = nearest(column.name, known)
    choice = f" Nearest: {column.chosen_by(hint)}." if hint else ""
    raise UserError(
        f"{path} must have a column {in_quotes(column.name)}.{choice} Its columns: {listed(known)}."
    )


def listed(names: Sequence[str]) -> str:
    """Names of columns for a message, which has room for some of them.

    >>> listed(["id", "text"]), listed([str(number) for number in range(1000)])[-23:]
    ('id, text', '19 and 980 more columns')
    """
    cut = (shortened(name) for name in names[:_SHOWN])
    shown = ", ".join(name if name.strip() else repr(name) for name in cut)
    rest = len(names) - _SHOWN
    return f"{shown} and {rest:,} more {'column' if rest == 1 else 'columns'}" if rest > 0 else shown


def number_notes(path: Path, known: Sequence[str], columns: Sequence[Column]) -> list[str]:
    """Which names the columns have that were chosen by their numbers."""
    found = {column.name: known[find_column(path, known, column)] for column in columns}
    return [
        f"Column {number} of {path} is {in_quotes(name)}."
        for number, name in found.items()
        if name.strip() != number.strip()
    ]
