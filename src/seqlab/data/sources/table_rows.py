"""The rows of a user's table, one at a time: CSV, TSV, JSONL, Parquet. Every error names the row."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from seqlab.data.sources.text_files import open_text, require_file
from seqlab.schema.errors import UserError, nearest

_MAX_FIELD = 1 << 27  # characters of one field; the csv module's own limit is 131,072
_SLICE = 50_000  # rows of a Parquet file in memory at once, in addition to its row group


class TableRow(NamedTuple):
    """The position of a row (its line, or its number in a Parquet file) and the values of the columns.

    In CSV and TSV every value is text; JSONL and Parquet have types. See `as_text`.
    """

    position: int
    values: tuple[Any, ...]


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


def read_rows(path: Path, columns: Sequence[str], encoding: str) -> Iterator[TableRow]:
    """The rows of a table in their order, read lazily.

    Args:
        path: a file with one of the extensions in `FORMATS`.
        columns: names of the columns wanted, in the order of `TableRow.values`.
        encoding: of the text; ignored for Parquet, which is always UTF-8.

    Raises:
        UserError: the file is missing, damaged or not in this encoding, or a column is missing.
    """
    require_file(path)
    return FORMATS[path.suffix.lower()](path, columns, encoding)


def location(path: Path, position: int) -> str:
    """Where a row is, for a message.

    >>> location(Path("a.csv"), 7), location(Path("a.parquet"), 7)
    ('a.csv:7', 'a.parquet, row 7')
    """
    return f"{path}, row {position}" if path.suffix.lower() == ".parquet" else f"{path}:{position}"


def _csv(path: Path, columns: Sequence[str], encoding: str) -> Iterator[TableRow]:
    return _separated(path, columns, encoding, ",")


def _tsv(path: Path, columns: Sequence[str], encoding: str) -> Iterator[TableRow]:
    return _separated(path, columns, encoding, "\t")


def _separated(path: Path, columns: Sequence[str], encoding: str, separator: str) -> Iterator[TableRow]:
    csv.field_size_limit(_MAX_FIELD)
    with open_text(path, encoding, newline="") as file:
        reader = csv.reader(file, delimiter=separator, strict=True)
        # `reader.line_num` is the last line of a row; quoted fields may span several.
        line = 1
        try:
            header = next(reader, [])
            indices = [_index(path, header, column) for column in columns]
            line = reader.line_num + 1
            for fields in reader:
                if fields:  # the reader gives an empty list for an empty line
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
            "A text that contains the separator must be in quotes."
        )


def _index(path: Path, header: Sequence[str], column: str) -> int:
    _require_column(path, header, column)
    if header.count(column) > 1:
        raise UserError(f"{path} must have one column {column!r}. Got {header.count(column)} of this name.")
    return header.index(column)


def _require_column(path: Path, known: Sequence[str], column: str) -> None:
    if not known:
        raise UserError(f"{path} must contain a table. Got an empty file.")
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
            raise UserError(f"{path} must contain a table. Got an empty file.")


def _object(path: Path, line: int, text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"{path}:{line} must be one JSON object. Got: {error}.") from None
    if not isinstance(found, dict) or not found:
        raise UserError(f"{path}:{line} must be one JSON object with names and values. Got {text[:40]!r}.")
    return found


def as_text(path: Path, position: int, column: str, value: Any) -> str | None:
    """A value as text; numbers and truth values are written as in JSON, None remains None.

    >>> [as_text(Path("a.jsonl"), 1, "label", value) for value in ("a", 1, 0.5, True, None)]
    ['a', '1', '0.5', 'true', None]

    Raises:
        UserError: it is a list, an object or something similar.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    raise UserError(
        f"{location(path, position)} must contain text or a number in column {column!r}. "
        f"Got {str(value)[:40]!r}."
    )


def _parquet(path: Path, columns: Sequence[str], encoding: str) -> Iterator[TableRow]:
    import polars

    try:
        table = polars.scan_parquet(path, glob=False)
        known = table.collect_schema().names()
        for column in columns:
            _require_column(path, known, column)
        position = 0
        # One column may be requested twice (as text and as label); polars requires distinct names.
        wanted = table.select(list(dict.fromkeys(columns)))
        while (part := wanted.slice(position, _SLICE).collect()).height:
            for values in zip(*(part[column] for column in columns), strict=True):
                position += 1
                yield TableRow(position, values)
    except polars.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0][:200]
        raise UserError(f"{path} must be a whole Parquet file. Got: {reason}.") from None


FORMATS: dict[str, Callable[[Path, Sequence[str], str], Iterator[TableRow]]] = {
    ".csv": _csv,
    ".tsv": _tsv,
    ".jsonl": _jsonl,
    ".parquet": _parquet,
}
"""The reader of each file name extension."""
