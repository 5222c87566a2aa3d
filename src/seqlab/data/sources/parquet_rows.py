"""Rows of Parquet files, which are read by polars."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seqlab.data.sources.cell_text import time_text
from seqlab.data.sources.file_content import damages
from seqlab.data.sources.table_format import Column, TableFormat, TableRow, find_column, number_notes
from seqlab.data.sources.text_files import table_under_other_name
from seqlab.schema.errors import UserError

if TYPE_CHECKING:
    import polars

_SLICE = 50_000  # rows in memory at once, in addition to their row group
_STDERR = 2


def parquet_rows(path: Path, columns: Sequence[Column], style: TableFormat) -> Iterator[TableRow]:
    """The rows of a Parquet file; see `read_rows`."""
    known = _names(path)
    names = [known[find_column(path, known, column)] for column in columns]
    position = 0
    while (part := _slice(path, names, position)).height:
        for values in zip(*(_values(path, part[name]) for name in names), strict=True):
            position += 1
            yield TableRow(position, values)


def parquet_notes(path: Path, columns: Sequence[Column], style: TableFormat) -> list[str]:
    """Which names the columns have that were chosen by their numbers."""
    return number_notes(path, _names(path), columns)


def parquet_names(path: Path, columns: Sequence[Column], style: TableFormat) -> list[str]:
    """The names of all columns."""
    return _names(path)


def parquet_height(path: Path) -> int:
    """The number of rows."""
    import polars

    with _foreign(path):
        return polars.scan_parquet(path, glob=False).select(polars.len()).collect().item()


def parquet_part(path: Path, names: Sequence[str], position: int, count: int) -> polars.DataFrame:
    """Some columns of the rows from `position`, counted from 0, on, in the types of the file.

    Raises:
        UserError: the file is damaged.
    """
    import polars

    with _foreign(path):
        return polars.scan_parquet(path, glob=False).select(names).slice(position, count).collect()


def _names(path: Path) -> list[str]:
    import polars

    if (other := table_under_other_name(path)) is not None:
        raise UserError(f"{path} must be a Parquet file. Got {other}.")
    with _foreign(path):
        return polars.scan_parquet(path, glob=False).collect_schema().names()


def _slice(path: Path, names: Sequence[str], position: int) -> polars.DataFrame:
    # One column may be requested twice (as text and as label); polars requires distinct names.
    return parquet_part(path, list(dict.fromkeys(names)), position, _SLICE)


def _values(path: Path, series: polars.Series) -> Sequence[Any]:
    """A column's values: short floats as the Python numbers with the same shortest digits, times as text.

    Python's times end with microseconds.
    """
    import polars

    with damages(f"{path} must have values that Python has in column {series.name!r}."):
        match series.dtype:
            case polars.Float16 | polars.Float32:
                short = np.float16 if series.dtype == polars.Float16 else np.float32
                return [None if value is None else float(str(short(value))) for value in series]
            case polars.Datetime | polars.Time:
                parts = zip(series.to_list(), series.dt.nanosecond().to_list(), strict=True)
                return [None if time is None else time_text(time, rest % 1000) for time, rest in parts]
            case _:
                return series.to_list()


@contextmanager
def _foreign(path: Path) -> Iterator[None]:
    """Turn everything that polars raises on a damaged file into one sentence."""
    with damages(f"{path} must be a whole Parquet file."), _no_panic_output():
        yield


@contextmanager
def _no_panic_output() -> Iterator[None]:
    """Leave out what Rust prints when it panics, before that becomes an exception; keep all other output."""
    try:
        saved = os.dup(_STDERR)
    except OSError:  # there is no standard error
        yield
        return
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), _STDERR)
        try:
            yield
        finally:
            os.dup2(saved, _STDERR)
            os.close(saved)
        file.seek(0)
        os.write(_STDERR, file.read())
