"""Texts to predict with what belongs to them, read in pieces: the rows of a table, or lines.

A row without text keeps its position, so that rows of answers are those of the file.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from typing_extensions import override

from seqlab.data.sources.cell_text import as_text
from seqlab.data.sources.column_guess import guess_column
from seqlab.data.sources.missing_texts import MissingTexts, has_text
from seqlab.data.sources.parquet_rows import parquet_height
from seqlab.data.sources.table_format import Column, TableFormat, find_column, location, number_notes
from seqlab.data.sources.table_rows import LineCounts, column_names, header_notes, read_rows
from seqlab.data.sources.text_files import line_breaks
from seqlab.schema.errors import UserError
from seqlab.stats.formatting import counted

ROWS_AT_ONCE, CHARACTERS_AT_ONCE = 20_000, 1 << 23
"""Rows, and characters of their texts, of a piece, at most; more characters where one text alone has them."""
MOST_IDS = 10_000_000
"""Rows whose ids are compared, at most: 8 bytes are kept of each."""
TEXT = "text"
"""What the column of texts is called that come from no table."""

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class TextRows:
    """Rows that are predicted together.

    begin: index of the first one in the file, from 0. positions: of each row, for messages. texts: of each
    row; "" where it is missing. kept: cells of the columns that are written with the answers.
    """

    begin: int
    positions: Sequence[int]
    texts: Sequence[str]
    kept: Mapping[str, Sequence[Any]]

    @property
    def present(self) -> list[str]:
        """The texts of the rows that have one: those that are answered."""
        return [text for text in self.texts if has_text(text)]

    def aligned(self, answers: Sequence[Answer]) -> list[Answer | None]:
        """The answers to `present`, one for each row: None where it has no text.

        >>> TextRows(0, (1, 2, 3), ("a", "", "b"), {}).aligned([0.5, 0.7])
        [0.5, None, 0.7]
        """
        found = iter(answers)
        return [next(found) if has_text(text) else None for text in self.texts]


class TextSource(ABC):
    """Texts to predict.

    kept: names of the columns that are written with the answers. path: of the file they come from, if any.
    """

    kept: Sequence[str]
    path: Path | None = None

    @abstractmethod
    def pieces(self) -> Iterator[TextRows]:
        """All rows in their order, once.

        Raises:
            UserError: no row has a text, once all were read.
        """

    @abstractmethod
    def notes(self) -> list[str]:
        """Sentences that a user should read, once all rows were read."""

    @property
    @abstractmethod
    def expected_rows(self) -> int:
        """How many rows there are, at most, for the progress."""


class LineSource(TextSource):
    """Texts one after the other, each a row with nothing but itself.

    Args:
        texts: without line breaks at their ends.
        expected: how many they are, at most.
        noun: what one of them is called: line or text.
    """

    kept = (TEXT,)

    def __init__(self, texts: Iterable[str], expected: int, noun: str):
        self._texts, self._expected = texts, expected
        self._missing = MissingTexts(noun)

    @override
    def pieces(self) -> Iterator[TextRows]:
        for begin, rows in _cut((text, None) for text in self._texts):
            texts = [text for text, _ in rows]
            for text in texts:
                self._missing.add(text)
            yield TextRows(begin, range(begin + 1, begin + 1 + len(texts)), texts, {TEXT: texts})
        self._missing.check("There must be at least one text.")

    @override
    def notes(self) -> list[str]:
        return self._missing.notes()

    @property
    @override
    def expected_rows(self) -> int:
        return self._expected


class TableSource(TextSource):
    """The rows of a table.

    Args:
        path: of the table.
        style: how it is written.
        usual: its column of texts, if it has one of this name.
        text: the column of texts; None: the usual one, else the only one that can be it.
        kept: the only column to keep, the id of each row; None keeps all.
        keep: whether any column is wanted at all.

    Raises:
        UserError: the file is missing, or a column.
    """

    def __init__(
        self,
        path: Path,
        style: TableFormat,
        *,
        usual: Column,
        text: Column | None = None,
        kept: Column | None = None,
        keep: bool = True,
    ):
        wanted = [column for column in (text or usual, kept) if column is not None]
        self.path, self._style = path, style
        names = column_names(path, wanted, style)
        self._text, self._notes = _text_column(path, names, usual, text, kept)
        if kept is not None:
            self.kept: Sequence[str] = [names[find_column(path, names, kept)]]
            self._id: str | None = self.kept[0]
            self._notes += number_notes(path, names, [kept])
        else:
            self.kept = _distinct(path, names) if keep else []
            self._id = guess_column("id", names, taken=[self._text]) if keep else None
        self._notes += header_notes(path, [Column(self._text, usual.option)], style)
        self._counts, self._missing = LineCounts(path, style), MissingTexts("row")
        # Python's hashes: within one process equal for equal ids, and for others once in 10^19 pairs.
        self._ids, self._rows = array("q"), 0

    @override
    def pieces(self) -> Iterator[TextRows]:
        assert self.path is not None
        columns = [Column(name, "") for name in (self._text, *self.kept)]
        for begin, rows in _cut(self._texts(columns)):
            cells = list(zip(*(row.values for _, row in rows), strict=True))
            kept = dict(zip(self.kept, cells[1:], strict=True))
            if self._id is not None and self._rows < MOST_IDS:
                self._ids.extend(map(hash, map(str, kept[self._id])))
            self._rows += len(rows)
            yield TextRows(begin, [row.position for _, row in rows], [text for text, _ in rows], kept)
        if not self._rows:
            raise UserError(f"{self.path} must contain texts to predict. Got only a header.")
        self._missing.check(f"{self.path} must contain texts in column {self._text!r}.")

    def _texts(self, columns: Sequence[Column]) -> Iterator[tuple[str, Any]]:
        assert self.path is not None
        for row in read_rows(self.path, columns, self._style):
            self._counts.add(row)
            text = as_text(self.path, row.position, self._text, row.values[0]) or ""
            self._missing.add(text, location(self.path, row.position))
            yield text, row

    @override
    def notes(self) -> list[str]:
        return [*self._notes, *self._missing.notes(), *self._counts.notes(), *self._repeated()]

    def _repeated(self) -> Iterator[str]:
        counts = np.unique(np.frombuffer(self._ids, dtype=np.int64), return_counts=True)[1]
        repeated = counts[counts > 1]
        if len(repeated):
            within = f" in its first {len(self._ids):,} rows" if len(self._ids) < self._rows else ""
            ids = f"{counted(len(repeated), 'id')} {'occurs' if len(repeated) == 1 else 'occur'}"
            yield (
                f"{ids} more than once in column {self._id!r} of {self.path}{within}: "
                f"{repeated.sum():,} rows. All rows are kept."
            )

    @property
    @override
    def expected_rows(self) -> int:
        assert self.path is not None
        return (
            parquet_height(self.path)
            if self.path.suffix.lower() == ".parquet"
            else line_breaks(self.path) + 1
        )


def _text_column(
    path: Path, names: Sequence[str], usual: Column, text: Column | None, kept: Column | None
) -> tuple[str, list[str]]:
    """The name of the column of texts, and a note where it was guessed or chosen by a number."""
    wanted = text or usual
    if text is None and not any(name.strip() == usual.name.strip() for name in names):
        taken = [] if kept is None else [names[find_column(path, names, kept)]]
        guess = guess_column("text", names, taken=taken)
        if guess is not None:
            return guess, [
                f"The texts are read from column {guess!r} of {path}; {usual.option}names another."
            ]
    return names[find_column(path, names, wanted)], number_notes(path, names, [wanted])


def _distinct(path: Path, names: Sequence[str]) -> Sequence[str]:
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UserError(
            f"{path} must have columns of different names, as all are kept. Got several {twice!r}. Name the "
            "only one to keep: --id-column."
        )
    return names


def _cut(rows: Iterator[tuple[str, Any]]) -> Iterator[tuple[int, list[tuple[str, Any]]]]:
    """Rows in pieces that fit into memory, each after the index of its first row."""
    begin, characters = 0, 0
    piece: list[tuple[str, Any]] = []
    for row in rows:
        piece.append(row)
        characters += len(row[0])
        if len(piece) == ROWS_AT_ONCE or characters > CHARACTERS_AT_ONCE:
            yield begin, piece
            begin, characters, piece = begin + len(piece), 0, []
    if piece:
        yield begin, piece
