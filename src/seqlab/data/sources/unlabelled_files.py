"""Unlabelled texts from a user's files: a column of a table, or the lines of a text file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import chain, islice
from pathlib import Path

from typing_extensions import override

from seqlab.data.sources.table_format import Column, TableFormat
from seqlab.data.sources.table_rows import header_notes, is_table, read_rows, required_text
from seqlab.data.sources.text_files import require_file, text_lines
from seqlab.schema.errors import UserError
from seqlab.stats.formatting import counted


class UnlabelledFiles(Sequence[str]):
    """The texts of files, read whenever they are iterated over: they may be larger than memory.

    A file with the name of a table has one in each row; any other one has a text in each line, and lines
    without a character but spaces are skipped.

    Args:
        paths: the files.
        column: of a table's texts.
        style: how tables are written; text files have its encoding.
    """

    def __init__(self, paths: Sequence[Path], column: Column, style: TableFormat):
        self._paths, self._column, self._style = paths, column, style

    @override
    def __len__(self) -> int:
        return sum(self._counts.values())

    @override
    def __iter__(self) -> Iterator[str]:
        return chain.from_iterable(map(self._texts, self._paths))

    def __getitem__(self, index: int) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One text; reads the files up to it."""
        for text in islice(self, index, None):
            return text
        raise IndexError(index)

    def notes(self) -> Iterator[str]:
        """What was read of each file, and what its header decided.

        Raises:
            UserError: a file cannot be read, is not in its encoding or holds no text, a column is missing, or
                a row lacks a text.
        """
        for path, count in self._counts.items():
            yield f"{counted(count, 'unlabelled text')} in {path}."
            if is_table(path):
                yield from header_notes(path, [self._column], self._style)

    @cached_property
    def _counts(self) -> dict[Path, int]:
        counts = {path: sum(1 for _ in self._texts(path)) for path in self._paths}
        for path, count in counts.items():
            if not count:
                raise UserError(f"{path} must hold unlabelled texts. Got none.")
        return counts

    def _texts(self, path: Path) -> Iterator[str]:
        if is_table(path):
            for row in read_rows(path, [self._column], self._style):
                yield required_text(path, self._column.name, row.position, row.values[0])
            return
        require_file(path)
        for line in text_lines(path, self._style.encoding):
            if line.strip():
                yield line.rstrip("\n")
