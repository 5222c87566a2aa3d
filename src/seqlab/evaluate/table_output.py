"""Tables with answers, written row by row: CSV, JSONL, Parquet."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from seqlab.data.sources.cell_text import as_text
from seqlab.data.sources.parquet_rows import parquet_part
from seqlab.data.sources.text_rows import TextRows, TextSource
from seqlab.runs.atomic import write_all
from seqlab.schema.errors import UserError, nearest
from seqlab.schema.spreadsheet import no_formula

if TYPE_CHECKING:
    import polars

Cells = Mapping[str, Sequence[Any]]


def require_output_format(path: Path) -> Path:
    """The path, if its file name extension is that of a format that can be written.

    Raises:
        UserError: it is not.
    """
    if path.suffix.lower() not in WRITERS:
        hint = nearest(path.suffix, WRITERS)
        known = ", ".join(WRITERS)
        raise UserError(
            f"'output' must end in {known}. Got {str(path)!r}.{f' Nearest: {hint!r}.' if hint else ''}"
        )
    return path


class TableWriter(ABC):
    """Writes the rows of a source, each with the cells of its answer, to a file.

    Args:
        path: of the file, in a folder in which other files may be written, too.
        source: where the rows come from.
        answers: the columns of answers, and what their cells are: str or float; None where there is none.
    """

    def __init__(self, path: Path, source: TextSource, answers: Mapping[str, type]):
        self._path, self._source = path, source
        self._names = (*source.kept, *answers)

    @abstractmethod
    def write(self, rows: TextRows, answers: Cells) -> None:
        """Write some rows.

        Raises:
            UserError: a cell cannot be written.
            OSError: the disk is full or cannot be written.
        """

    @abstractmethod
    def finish(self) -> None:
        """Write the end of the file."""

    @abstractmethod
    def close(self) -> None:
        """Release what is open; must be called, whether the file was finished or not."""

    def _kept(self, rows: TextRows, convert: Callable[[Path, int, str, Any], Any]) -> list[Sequence[Any]]:
        """The cells of each column that is kept."""
        path = self._source.path or Path("text")
        return [
            cells
            if all(type(cell) is str for cell in cells)
            else [
                convert(path, position, name, cell)
                for position, cell in zip(rows.positions, cells, strict=True)
            ]
            for name, cells in rows.kept.items()
        ]


class _TextWriter(TableWriter, ABC):
    """A file in UTF-8; it has no buffer, so that an error is raised by `write` and not when it is closed."""

    def __init__(self, path: Path, source: TextSource, answers: Mapping[str, type]):
        super().__init__(path, source, answers)
        self._file = path.open("xb", buffering=0)

    @override
    def finish(self) -> None:
        return

    def _append(self, text: str) -> None:
        write_all(self._file.write, text.encode())

    @override
    def close(self) -> None:
        self._file.close()


class _CsvWriter(_TextWriter):
    """Fields in quotes where needed; no text is taken for a formula by spreadsheet programs."""

    def __init__(self, path: Path, source: TextSource, answers: Mapping[str, type]):
        super().__init__(path, source, answers)
        self._append(_csv([self._names]))

    @override
    def write(self, rows: TextRows, answers: Cells) -> None:
        self._append(_csv(zip(*self._kept(rows, _text), *answers.values(), strict=True)))


class _JsonLinesWriter(_TextWriter):
    """One object per row, with values as they were in JSONL and Parquet."""

    @override
    def write(self, rows: TextRows, answers: Cells) -> None:
        columns = (*self._kept(rows, _json_value), *answers.values())
        objects = (dict(zip(self._names, row, strict=True)) for row in zip(*columns, strict=True))
        self._append("".join(f"{json.dumps(content, ensure_ascii=False)}\n" for content in objects))


class _ParquetWriter(TableWriter):
    """Columns of a Parquet file keep their types; all others are texts. Written in parts, then joined."""

    def __init__(self, path: Path, source: TextSource, answers: Mapping[str, type]):
        super().__init__(path, source, answers)
        self._parts: list[Path] = []
        self._types = answers

    @override
    def write(self, rows: TextRows, answers: Cells) -> None:
        frame = self._kept_frame(rows).hstack(self._answer_frame(answers).get_columns())
        part = self._path.with_name(f"part-{len(self._parts)}.parquet")
        with _polars_errors():
            frame.write_parquet(part)
        self._parts.append(part)

    @override
    def finish(self) -> None:
        import polars

        with _polars_errors():
            polars.scan_parquet(self._parts, glob=False).sink_parquet(self._path)

    @override
    def close(self) -> None:
        return

    def _kept_frame(self, rows: TextRows) -> polars.DataFrame:
        import polars

        if self._source.path is not None and self._source.path.suffix.lower() == ".parquet":
            names = list(self._source.kept)
            return parquet_part(self._source.path, names, rows.begin, len(rows.texts))
        kept = zip(self._source.kept, self._kept(rows, _text), strict=True)
        return polars.DataFrame([polars.Series(name, cells, polars.String) for name, cells in kept])

    def _answer_frame(self, answers: Cells) -> polars.DataFrame:
        import polars

        # The cells of these rows may all be empty, which says nothing about the type of the column.
        types = {str: polars.String, float: polars.Float64}
        return polars.DataFrame(
            dict(answers), schema={name: types[kind] for name, kind in self._types.items()}
        )


def _text(path: Path, position: int, column: str, value: Any) -> str | None:
    """A cell as text; what is nested as JSON."""
    if isinstance(value, list | dict):
        return json.dumps(_json_value(path, position, column, value), ensure_ascii=False)
    return as_text(path, position, column, value)


def _json_value(path: Path, position: int, column: str, value: Any) -> Any:
    """A cell as JSON has it; what is missing, and NaN, is null."""
    match value:
        case float() if math.isnan(value):
            return None
        case None | bool() | int() | str():
            return value
        case float() if math.isfinite(value):
            return value
        case list():
            return [_json_value(path, position, column, one) for one in value]
        case dict():
            return {str(key): _json_value(path, position, column, one) for key, one in value.items()}
        case _:
            return as_text(path, position, column, value)


def _csv(rows: Iterable[Sequence[Any]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerows([no_formula(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    return stream.getvalue()


@contextmanager
def _polars_errors() -> Iterator[None]:
    """Turn an error of the operating system that polars reports in words into that error."""
    import polars

    try:
        yield
    except polars.exceptions.PolarsError as error:
        found = re.search(r"\(os error (\d+)\)", str(error))
        if found is None:
            raise
        raise OSError(int(found[1]), os.strerror(int(found[1]))) from error


WRITERS: Mapping[str, type[TableWriter]] = {
    ".csv": _CsvWriter,
    ".jsonl": _JsonLinesWriter,
    ".parquet": _ParquetWriter,
}
"""By file name extension."""
