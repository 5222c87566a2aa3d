"""The rows of a user's table, one at a time: CSV, TSV, JSONL, Parquet. Every error names the row."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from seqlab.data.sources.cell_text import as_text
from seqlab.data.sources.parquet_rows import parquet_notes, parquet_rows
from seqlab.data.sources.separated_rows import quoted, separated_notes, separated_rows
from seqlab.data.sources.table_format import (
    Column,
    TableFormat,
    TableRow,
    find_column,
    location,
    number_notes,
)
from seqlab.data.sources.text_files import require_file, text_lines
from seqlab.schema.errors import UserError, nearest

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


class LineCounts:
    """Counts what a reader of the rows should report: rows over several lines, and quotes that are text."""

    def __init__(self, path: Path, style: TableFormat):
        self._path, self._style = path, style
        self._unquoted = path.suffix.lower() in (".csv", ".tsv") and not quoted(path, style)
        self._spanning = self._quotes = 0
        self._first = self._longest = TableRow(0, ())

    def add(self, row: TableRow) -> None:
        """Count one row."""
        if row.lines > 1:
            self._spanning += 1
            self._first = self._first if self._spanning > 1 else row
            self._longest = max(self._longest, row, key=lambda one: one.lines)
        if self._unquoted:
            self._quotes += any(len(value) > 1 and value[0] == value[-1] == '"' for value in row.values)

    def notes(self) -> Iterator[str]:
        """Sentences about what was counted."""
        if self._spanning:
            rows = "1 row spans" if self._spanning == 1 else f"{self._spanning:,} rows span"
            first, longest = (location(self._path, row.position) for row in (self._first, self._longest))
            advice = self._style.advice("If their quotes are part of the texts: data.quoting=false.")
            yield (
                f"{rows} several lines, the first at {first}, the longest, of {self._longest.lines:,} lines, "
                f"at {longest}.{advice}"
            )
        if self._quotes:
            rows = "1 row has" if self._quotes == 1 else f"{self._quotes:,} rows have"
            advice = self._style.advice("If they are not part of the texts: data.quoting=true.")
            yield f"{rows} quotes around a field in {self._path}.{advice}"


def column_texts(path: Path, column: Column, style: TableFormat) -> tuple[list[str], list[str]]:
    """All texts of a column, and notes on how they were read.

    Raises:
        UserError: see `read_rows`; a row has no text.
    """
    counts = LineCounts(path, style)
    texts = []
    for row in read_rows(path, [column], style):
        counts.add(row)
        texts.append(required_text(path, column.name, row.position, row.values[0]))
    return texts, [*header_notes(path, [column], style), *counts.notes()]


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
            known = list(found)
            names = [known[find_column(path, known, column)] for column in columns]
        yield TableRow(line, tuple(map(found.get, names)))
    if not names:
        raise UserError(f"{path} must contain a table. Got an empty file.")


def _jsonl_notes(path: Path, columns: Sequence[Column], style: TableFormat) -> list[str]:
    return number_notes(path, next((list(found) for _, found in _objects(path, style)), []), columns)


def _objects(path: Path, style: TableFormat) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, text in enumerate(text_lines(path, style.encoding, option=style.encoding_option), start=1):
        if text.strip():
            yield line, _object(path, line, text)


def _object(path: Path, line: int, text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except RecursionError:
        raise UserError(
            f"{path}:{line} must be one JSON object. Got one that is nested too deeply."
        ) from None
    except ValueError as error:  # also a number of too many digits
        raise UserError(f"{path}:{line} must be one JSON object. Got: {error}.") from None
    if not isinstance(found, dict) or not found:
        raise UserError(f"{path}:{line} must be one JSON object with names and values. Got {text[:40]!r}.")
    return found


class FileFormat(NamedTuple):
    """How files with an extension are read: their rows, and what their header decides."""

    rows: Rows
    notes: Notes


FORMATS: dict[str, FileFormat] = {
    ".csv": FileFormat(separated_rows, separated_notes),
    ".tsv": FileFormat(separated_rows, separated_notes),
    ".jsonl": FileFormat(_jsonl, _jsonl_notes),
    ".parquet": FileFormat(parquet_rows, parquet_notes),
}
"""The readers of each file name extension."""
