"""Rows of a user's table, one at a time: CSV, TSV, JSONL, Parquet. Every error names the row."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from seqlab.data.sources.text_files import open_text, require_file
from seqlab.schema.errors import UserError, nearest

_LONGEST = 1 << 27  # characters of one field; the csv module's own limit is 131,072
_SLICE = 50_000  # rows of a Parquet file in memory at once, besides its row group


class TableRow(NamedTuple):
    """Where a row stands (its line, or its number in a Parquet file) and what the columns hold.

    In CSV and TSV every value is text; JSONL and Parquet have types of their own. See `as_text`.
    """

    place: int
    values: tuple[Any, ...]


def require_ending(path: str) -> str:
    """The path, if its ending names a format that can be read.

    Raises:
        UserError: it does not.
    """
    ending = Path(path).suffix
    if ending.lower() not in FORMATS:
        hint = nearest(ending, FORMATS)
        raise UserError(
            f"A table must end in {', '.join(FORMATS)}. Got {path!r}.{f' Nearest: {hint!r}.' if hint else ''}"
        )
    return path


def read_rows(path: Path, columns: Sequence[str], encoding: str) -> Iterator[TableRow]:
    """The rows of a table in their order, read while they are gone through.

    Args:
        path: a file whose ending is one of `FORMATS`.
        columns: names of the columns wanted, in the order of `TableRow.values`.
        encoding: of the text; a Parquet file has its own.

    Raises:
        UserError: the file is missing, damaged or not in this encoding, or a column is missing.
    """
    require_file(path)
    return FORMATS[path.suffix.lower()](path, columns, encoding)


def where(path: Path, place: int) -> str:
    """A row's place in words.

    >>> where(Path("a.csv"), 7), where(Path("a.parquet"), 7)
    ('a.csv:7', 'a.parquet, row 7')
    """
    return f"{path}, row {place}" if path.suffix.lower() == ".parquet" else f"{path}:{place}"


def _csv(path: Path, columns: Sequence[str], encoding: str) -> Iterator[TableRow]:
    return _separated(path, columns, encoding, ",")


def _tsv(path: Path, columns: Sequence[str], encoding: str) -> Iterator[TableRow]:
    return _separated(path, columns, encoding, "\t")


def _separated(path: Path, columns: Sequence[str], encoding: str, separator: str) -> Iterator[TableRow]:
    csv.field_size_limit(_LONGEST)
    with open_text(path, encoding, newline="") as file:
        reader = csv.reader(file, delimiter=separator, strict=True)
        line = 1
        try:
            header = next(reader, [])
            indices = [_index(path, header, column) for column in columns]
            line = reader.line_num + 1
            for fields in reader:
                if fields:
                    _check_width(path, line, header, fields)
                    yield TableRow(line, tuple(fields[index] for index in indices))
                line = reader.line_num + 1
        except csv.Error as error:
            raise UserError(
                f"{path}:{line} must be fields whose quotes are closed, doubled inside quotes. Got: {error}."
            ) from None


def _check_width(path: Path, line: int, header: Sequence[str], fields: Sequence[str]) -> None:
    if len(fields) != len(header):
        raise UserError(
            f"{path}:{line} must have as many fields as the header, {len(header)}. Got {len(fields)}. "
            "A text that holds the separator stands in quotes."
        )


def _index(path: Path, header: Sequence[str], column: str) -> int:
    _require_column(path, header, column)
    if header.count(column) > 1:
        raise UserError(f"{path} must have one column {column!r}. Got {header.count(column)} of this name.")
    return header.index(column)


def _require_column(path: Path, known: Sequence[str], column: str) -> None:
    if not known:
        raise UserError(f"{path} must hold a table. Got an empty file.")
    if column not in known:
        hint = nearest(column, known)
        raise UserError(
            f"{path} must have a column {column!r}.{f' Nearest: {hint!r}.' if hint else ''} "
            f"Its columns: {', '.join(known)}."
        )


def _jsonl(path: Path, columns: Sequence[str], encoding: str) -> Iterator[TableRow]:
    with open_text(path, encoding) as file:
        first = True
        for line, text in enumerate(file, start=1):
            if not text.strip():
                continue
            found = _object(path, line, text)
            if first:
                for column in columns:
                    _require_column(path, tuple(found), column)
                first = False
            yield TableRow(line, tuple(map(found.get, columns)))
        if first:
            raise UserError(f"{path} must hold a table. Got an empty file.")


def _object(path: Path, line: int, text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"{path}:{line} must be one JSON object. Got: {error}.") from None
    if not isinstance(found, dict) or not found:
        raise UserError(f"{path}:{line} must be one JSON object with names and values. Got {text[:40]!r}.")
    return found


def as_text(path: Path, place: int, column: str, value: Any) -> str | None:
    """A value as text; numbers and truth values as JSON writes them, None stays.

    >>> [as_text(Path("a.jsonl"), 1, "label", value) for value in ("a", 1, 0.5, True, None)]
    ['a', '1', '0.5', 'true', None]

    Raises:
        UserError: it is a list, an object or the like.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    raise UserError(
        f"{where(path, place)} must hold text or a number in column {column!r}. Got {str(value)[:40]!r}."
    )


def _parquet(path: Path, columns: Sequence[str], encoding: str) -> Iterator[TableRow]:
    import polars

    try:
        table = polars.scan_parquet(path, glob=False)
        known = table.collect_schema().names()
        for column in columns:
            _require_column(path, known, column)
        place = 0
        # One column may be asked for twice; polars wants each name once.
        wanted = table.select(list(dict.fromkeys(columns)))
        while (part := wanted.slice(place, _SLICE).collect()).height:
            for values in zip(*(part[column] for column in columns), strict=True):
                place += 1
                yield TableRow(place, values)
    except polars.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0][:200]
        raise UserError(f"{path} must be a whole Parquet file. Got: {reason}.") from None


FORMATS: dict[str, Callable[[Path, Sequence[str], str], Iterator[TableRow]]] = {
    ".csv": _csv,
    ".tsv": _tsv,
    ".jsonl": _jsonl,
    ".parquet": _parquet,
}
"""How a table is read, by the ending of its file."""
