"""Rows of CSV and TSV files: the separator, quotes, and rows that span lines."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from seqlab.data.sources.table_format import (
    SEPARATORS,
    Column,
    TableFormat,
    TableRow,
    find_column,
    listed,
    number_notes,
    separator_name,
)
from seqlab.data.sources.text_files import text_lines
from seqlab.schema.errors import UserError, with_value

# Spreadsheet programs write and read this as the first line, before the header.
_DECLARATION = re.compile(r'"?sep=([^"\r\n])"?[\r\n]*', re.IGNORECASE)
_MAX_FIELD = 1 << 27  # characters of one field; the csv module's own limit is 131,072


class _Record(NamedTuple):
    line: int  # its first one
    lines: int
    fields: list[str]


def separated_rows(path: Path, columns: Sequence[Column], style: TableFormat) -> Iterator[TableRow]:
    """The rows of a CSV or TSV file; see `read_rows`."""
    separator = _separator(path, columns, style)
    records = _records(path, style, separator)
    header = _first(records)
    _check_quotes(path, header, columns, style)
    if len(header) == 1:
        _check_separator(path, header[0], separator, columns, style)
    indices = [find_column(path, header, column) for column in columns]
    for line, lines, fields in records:
        # An empty line is an empty field where there is one column, and no row where there are several.
        if record := fields or [""] * (len(header) == 1):
            _check_width(path, _Record(line, lines, record), header, style)
            yield TableRow(line, tuple(record[index] for index in indices), lines)


def separated_notes(path: Path, columns: Sequence[Column], style: TableFormat) -> list[str]:
    """What was found out about a CSV or TSV file by its header."""
    separator = _separator(path, columns, style)
    notes = number_notes(path, _header(path, style, separator), columns)
    if style.separator is None and separator != _usual(path):
        advice = style.advice("'data.separator' names another separator.")
        notes.insert(0, f"A {separator_name(separator)} separates the columns of {path}.{advice}")
    return notes


def separated_names(path: Path, columns: Sequence[Column], style: TableFormat) -> list[str]:
    """The names of all columns, those that a separator gives which fits the wanted ones."""
    return _header(path, style, _separator(path, columns, style))


def quoted(path: Path, style: TableFormat) -> bool:
    """Whether fields may be in double quotes."""
    return path.suffix.lower() != ".tsv" if style.quoting is None else style.quoting


def has_spaced_quote(field: str) -> bool:
    """Whether a field begins with spaces and a quote, which therefore is text."""
    return field[:1] == " " and field.lstrip(" ")[:1] == '"'


def _separator(path: Path, columns: Sequence[Column], style: TableFormat) -> str:
    """The separator of a table's columns.

    It is the one in the settings, else that of the first line, else the first one whose header has the
    columns, else the one whose header has the most.
    """
    if style.separator is not None:
        return style.separator
    if (declared := _declared(next(_lines(path, style), ""))) is not None:
        return declared
    usual = _usual(path)
    headers: dict[str, list[str]] = {usual: _header(path, style, usual)}
    for separator in SEPARATORS.values():
        with suppress(UserError):  # quotes that only fit another separator
            headers.setdefault(separator, _header(path, style, separator))
    for separator, header in headers.items():
        with suppress(UserError):
            for column in columns:
                find_column(path, header, column)
            return separator
    return max(headers, key=lambda separator: len(headers[separator]))


def _check_quotes(path: Path, header: Sequence[str], columns: Sequence[Column], style: TableFormat) -> None:
    """Refuse a header whose names are in quotes where quotes are text."""
    missing = {column.name for column in columns} - set(header)
    if not quoted(path, style) and missing and missing <= {name.strip('"') for name in header}:
        advice = style.advice("If its fields are in quotes: data.quoting=true.")
        raise UserError(f"{path} must have a header without quotes. Got {listed(header)}.{advice}")


def _check_separator(
    path: Path, header: str, separator: str, columns: Sequence[Column], style: TableFormat
) -> None:
    """Refuse a header that another separator would cut into the wanted columns."""
    names = {column.name for column in columns}
    # The name of a single column may contain any character.
    likely = header if len(names) > 1 else SEPARATORS.values()
    for other in (one for one in dict.fromkeys(likely) if not one.isalnum()):
        if names <= {name.strip(' "') for name in header.split(other)} and header not in names:
            advice = style.advice(f"Nearest: {with_value('data.separator=', separator_name(other))}.")
            raise UserError(
                f"{path} must have a {separator_name(separator)} between its columns. "
                f"Got {header[:80]!r}.{advice}"
            )


def _usual(path: Path) -> str:
    return "\t" if path.suffix.lower() == ".tsv" else ","


def _header(path: Path, style: TableFormat, separator: str) -> list[str]:
    return _first(_records(path, style, separator))


def _first(records: Iterator[_Record]) -> list[str]:
    return next((record.fields for record in records if record.fields), [])


def _lines(path: Path, style: TableFormat) -> Iterator[str]:
    return text_lines(path, style.encoding, newline="", option=style.encoding_option)


def _declared(line: str) -> str | None:
    """The separator that a line declares, as `sep=;` does."""
    return None if (found := _DECLARATION.fullmatch(line)) is None else found[1]


def _records(path: Path, style: TableFormat, separator: str) -> Iterator[_Record]:
    """The header and the rows, in between empty lines without fields."""
    csv.field_size_limit(_MAX_FIELD)
    quoting = csv.QUOTE_MINIMAL if quoted(path, style) else csv.QUOTE_NONE
    lines = _lines(path, style)
    first = next(lines, "")
    declarations = int(_declared(first) is not None)
    rest = lines if declarations else chain([first], lines)
    reader = csv.reader(rest, delimiter=separator, strict=True, quoting=quoting)
    before = declarations
    try:
        for fields in reader:
            # The last line of the row; quoted fields may span several.
            last = reader.line_num + declarations
            yield _Record(before + 1, last - before, fields)
            before = last
    except csv.Error as error:
        raise UserError(
            f"{path}:{before + 1} must be fields whose quotes are closed, doubled inside quotes. "
            f"Got: {error}."
            f"{style.advice('If quotes are part of the texts: data.quoting=false.')}"
        ) from None


def _check_width(path: Path, record: _Record, header: Sequence[str], style: TableFormat) -> None:
    if len(record.fields) == len(header):
        return
    remedy = ""
    if record.lines > 1:
        remedy = f" It ends at line {record.line + record.lines - 1}: perhaps a quote is not closed."
    elif any(map(has_spaced_quote, record.fields)):
        remedy = " A quote after a space is text: remove the spaces between the separator and the quote."
    elif len(record.fields) > len(header):
        remedy = " A text that contains the separator must be in quotes."
    if not quoted(path, style):
        remedy = style.advice("If its texts are in quotes: data.quoting=true.")
    raise UserError(
        f"{path}:{record.line} must have as many fields as the header, {len(header)}. "
        f"Got {len(record.fields)}.{remedy}"
    )
