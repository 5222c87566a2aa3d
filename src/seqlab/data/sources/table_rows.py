"""The rows of a user's table, one at a time: CSV, TSV, JSONL, Parquet. Every error names the row."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from seqlab.data.sources.cell_text import as_text, is_missing_word, json_number
from seqlab.data.sources.parquet_rows import parquet_names, parquet_notes, parquet_rows
from seqlab.data.sources.separated_rows import (
    has_spaced_quote,
    quoted,
    separated_names,
    separated_notes,
    separated_rows,
)
from seqlab.data.sources.table_format import (
    Column,
    TableFormat,
    TableRow,
    find_column,
    location,
    number_notes,
)
from seqlab.data.sources.text_files import require_file, text_lines
from seqlab.schema.errors import UserError, in_quotes, nearest
from seqlab.stats.formatting import counted

Rows = Callable[[Path, Sequence[Column], TableFormat], Iterator[TableRow]]
Notes = Callable[[Path, Sequence[Column], TableFormat], list[str]]


def require_format(path: str) -> str:
    """The path, if its file name extension is that of a supported format.

    Raises:
        UserError: it is not.
    """
    extension = Path(path).suffix
    if extension.lower() not in FORMATS:
        hint = nearest(extension, FORMATS)
        raise UserError(
            f"A table must end in {', '.join(FORMATS)}. Got {path!r}.{f' Nearest: {hint!r}.' if hint else ''}"
        )
    return path


def is_table(path: Path) -> bool:
    """Whether the name of a file is that of a table."""
    return path.suffix.lower() in FORMATS


def read_rows(path: Path, columns: Sequence[Column], style: TableFormat) -> Iterator[TableRow]:
    """The rows of a table in their order, read lazily.

    Args:
        path: a file with one of the extensions in `FORMATS`.
        columns: the wanted columns, in the order of `TableRow.values`.
        style: how the file is written.

    Raises:
        UserError: the file is missing, damaged or not in this encoding, or a column is missing.
    """
    require_file(path)
    return FORMATS[path.suffix.lower()].rows(path, columns, style)


def header_notes(path: Path, columns: Sequence[Column], style: TableFormat) -> list[str]:
    """What the header alone decided: the separator, columns chosen by their numbers."""
    require_file(path)
    return FORMATS[path.suffix.lower()].notes(path, columns, style)


def column_names(path: Path, columns: Sequence[Column], style: TableFormat) -> list[str]:
    """The names of all columns, in their order; of JSONL those of all rows, in order of appearance.

    Args:
        path: a file with one of the extensions in `FORMATS`.
        columns: some that are expected; they tell the separator of CSV and TSV files where it is not given.
        style: how the file is written.

    Raises:
        UserError: the file is missing, damaged or not in this encoding.
    """
    require_file(path)
    return FORMATS[path.suffix.lower()].names(path, columns, style)


@dataclass
class _Rows:
    """How many rows have something in common, and the position of the first one."""

    count: int = 0
    first: int = 0

    def add(self, row: TableRow) -> None:
        self.first = self.first if self.count else row.position
        self.count += 1

    def have(self, verb: str = "has", plural: str = "have") -> str:
        return f"{counted(self.count, 'row')} {verb if self.count == 1 else plural}"


class LineCounts:
    """Counts what a reader of the rows should report, as it is no error but may be one."""

    def __init__(self, path: Path, style: TableFormat):
        self._path, self._style = path, style
        self._separated = path.suffix.lower() in (".csv", ".tsv")
        self._quoted = quoted(path, style)
        self._spanning, self._quotes, self._spaced, self._missing = (_Rows() for _ in range(4))
        self._longest = TableRow(0, ())
        self._skipped = 0
        self._end: int | None = None

    def add(self, row: TableRow) -> None:
        """Count one row."""
        self._skipped += 0 if self._end is None else row.position - self._end
        self._end = row.position + row.lines
        if row.lines > 1:
            self._spanning.add(row)
            self._longest = max(self._longest, row, key=lambda one: one.lines)
        if self._separated:
            self._add_fields(row)

    def _add_fields(self, row: TableRow) -> None:
        if any(is_missing_word(field.strip()) for field in row.values):
            self._missing.add(row)
        if self._quoted and any(map(has_spaced_quote, row.values)):
            self._spaced.add(row)
        if not self._quoted and any(len(field) > 1 and field[0] == field[-1] == '"' for field in row.values):
            self._quotes.add(row)

    def notes(self) -> Iterator[str]:
        """Sentences about what was counted."""
        if self._spanning.count:
            longest = location(self._path, self._longest.position)
            advice = self._style.advice("If their quotes are part of the texts: data.quoting=false.")
            yield (
                f"{self._spanning.have('spans', 'span')} several lines, the first at "
                f"{self._at(self._spanning)}, the longest, of {self._longest.lines:,} lines, at "
                f"{longest}.{advice}"
            )
        if self._quotes.count:
            advice = self._style.advice("If they are not part of the texts: data.quoting=true.")
            yield f"{self._quotes.have()} quotes around a field in {self._path}.{advice}"
        if self._spaced.count:
            yield (
                f"{self._spaced.have()} a space before a quote, the first at {self._at(self._spaced)}. Such "
                "quotes are text; without the space they enclose a field."
            )
        if self._missing.count:
            yield (
                f"{self._missing.have()} NaN, null or a similar word as a field, the first at "
                f"{self._at(self._missing)}. It is read as text."
            )
        if self._skipped:
            lines = "1 empty line is" if self._skipped == 1 else f"{self._skipped:,} empty lines are"
            yield f"{lines} between the rows of {self._path}, and skipped."

    def _at(self, rows: _Rows) -> str:
        return location(self._path, rows.first)


def required_text(path: Path, column: str, position: int, value: Any) -> str:
    """The text of a row.

    Raises:
        UserError: it is missing, or no text.
    """
    text = as_text(path, position, column, value)
    if text is None:
        raise UserError(
            f"{location(path, position)} must contain text in column {column!r}. Got nothing (null or NaN)."
        )
    return text


def _jsonl(path: Path, columns: Sequence[Column], style: TableFormat) -> Iterator[TableRow]:
    names: list[str] = []
    for line, found in _objects(path, style):
        if not names:
            missing = any(column.name not in found for column in columns)
            known = _jsonl_names(path, columns, style) if missing else list(found)
            names = [known[find_column(path, known, column)] for column in columns]
        yield TableRow(line, tuple(map(found.get, names)))
    if not names:
        raise UserError(f"{path} must contain a table. Got an empty file.")


def _jsonl_names(path: Path, columns: Sequence[Column], style: TableFormat) -> list[str]:
    return list(dict.fromkeys(name for _, found in _objects(path, style) for name in found))


def _jsonl_notes(path: Path, columns: Sequence[Column], style: TableFormat) -> list[str]:
    return number_notes(path, next((list(found) for _, found in _objects(path, style)), []), columns)


def _objects(path: Path, style: TableFormat) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, text in enumerate(text_lines(path, style.encoding, option=style.encoding_option), start=1):
        if text.strip():
            yield line, _object(path, line, text)


def _object(path: Path, line: int, text: str) -> dict[str, Any]:
    try:
        found = json.loads(text, parse_float=json_number, object_pairs_hook=_distinct)
    except RecursionError:
        raise UserError(
            f"{path}:{line} must be one JSON object. Got one that is nested too deeply."
        ) from None
    except json.JSONDecodeError as error:
        raise UserError(
            f"{path}:{line} must be one JSON object. Got: {error.msg}, at character {error.pos + 1} of the "
            "line. An object must be whole in its line."
        ) from None
    except ValueError as error:  # a number of too many digits, or a name that occurs twice
        raise UserError(f"{path}:{line} must be one JSON object. Got: {error}.") from None
    if not isinstance(found, dict) or not found:
        raise UserError(
            f"{path}:{line} must be one JSON object with names and values. Got {in_quotes(text.strip())}. "
            "Each object must have a line of its own."
        )
    return found


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, none of whose values replaces another."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise ValueError(f"the name {in_quotes(twice)} more than once in an object")
    return found


class FileFormat(NamedTuple):
    """How files with an extension are read: their rows, what their header decides, and all columns."""

    rows: Rows
    notes: Notes
    names: Notes


FORMATS: dict[str, FileFormat] = {
    ".csv": FileFormat(separated_rows, separated_notes, separated_names),
    ".tsv": FileFormat(separated_rows, separated_notes, separated_names),
    ".jsonl": FileFormat(_jsonl, _jsonl_notes, _jsonl_names),
    ".parquet": FileFormat(parquet_rows, parquet_notes, parquet_names),
}
"""The readers of each file name extension."""
