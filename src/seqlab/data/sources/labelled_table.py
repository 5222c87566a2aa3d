"""A user's table without its texts: labels, which texts are equal, and where rows are in the file.

A table may be larger than memory. It is read once to collect a few numbers per row, from which the splits are
made, and again whenever texts are needed.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import compress, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from seqlab.data.sources.cell_text import as_text
from seqlab.data.sources.table_format import Column, TableFormat, TableRow, location
from seqlab.data.sources.table_rows import LineCounts, header_notes, read_rows, required_text
from seqlab.schema.errors import UserError, in_quotes, nearest

Integers = NDArray[np.int64]
SPLITS = ("train", "valid", "test")
_SYNONYMS = {"training": "train", "validation": "valid", "val": "valid", "dev": "valid"}
SHOWN = 3
"""Labels that an error or a note names."""


@dataclass(frozen=True)
class TableFile:
    """A file and the names of its columns; `split` is None if no column gives the split."""

    path: Path
    text: str
    label: str
    split: str | None
    style: TableFormat

    @property
    def text_column(self) -> Column:
        """The column of texts, with the setting that names it."""
        return Column(self.text, "data.text_column=")

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns to read."""
        label = Column(self.label, "data.label_column=")
        split = [] if self.split is None else [Column(self.split, "data.split_column=")]
        return (self.text_column, label, *split)

    def location(self, row: TableRow) -> str:
        """Where a row is, for a message."""
        return location(self.path, row.position)


@dataclass(frozen=True)
class LabelledTable:
    """25 bytes per row, however long its text is.

    names: labels in the order of their first occurrence. labels: their indices, per row. texts: hashes, equal
    for equal texts. positions: lines, or row numbers. splits: index in `SPLITS` according to the split
    column; 0 without one. types: of the values in the columns of texts and of labels. spaced: how many labels
    had spaces around them, which are left out. notes: on how the file was read.
    """

    file: TableFile
    names: tuple[str, ...]
    labels: Integers
    texts: Integers
    positions: Integers
    splits: NDArray[np.int8]
    types: tuple[set[type], set[type]]
    spaced: int = 0
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class LabelledRows:
    """Some rows of a table, ascending: a split."""

    table: LabelledTable
    rows: Integers

    def ids(self, names: Sequence[str]) -> list[int]:
        """The index of each row's label in `names`."""
        known = {name: index for index, name in enumerate(names)}
        return np.array([known[name] for name in self.table.names])[self.table.labels[self.rows]].tolist()

    def by_column(self) -> dict[str, LabelledRows]:
        """The rows of each split that the split column names.

        Raises:
            UserError: no row is for training.
        """
        splits = {name: np.flatnonzero(self.table.splits == index) for index, name in enumerate(SPLITS)}
        if not len(splits["train"]):
            raise UserError(
                f"Column {self.table.file.split!r} of {self.table.file.path} must be 'train' in at least one "
                "row. Got none."
            )
        return {name: LabelledRows(self.table, rows) for name, rows in splits.items() if len(rows)}

    def label_names(self) -> list[str]:
        """The labels that occur."""
        return [self.table.names[index] for index in np.unique(self.table.labels[self.rows])]

    def location(self, label: str) -> str:
        """Where the first row with this label is, for a message."""
        rows = self.rows[self.table.labels[self.rows] == self.table.names.index(label)]
        return location(self.table.file.path, int(self.table.positions[rows[0]]))

    def check_splittable(self) -> None:
        """Make sure that every label can be on two sides of a split.

        Raises:
            UserError: a label has one text only.
        """
        pairs = np.unique(np.stack([self.table.labels[self.rows], self.table.texts[self.rows]]), axis=1)
        labels, counts = np.unique(pairs[0], return_counts=True)
        single = [self.table.names[index] for index in labels[counts == 1]]
        if single and len(labels) > 1:
            shown = ", ".join(f"{in_quotes(label)} ({self.location(label)})" for label in single[:SHOWN])
            raise UserError(
                "Every label must have at least 2 different texts, one to train on and one to validate on. "
                f"Got one text for {shown}{and_more(single)}. Add texts, remove the label, give "
                "'data.valid_path' and 'data.test_path', or omit the splits: data.valid_fraction=0 "
                "data.test_fraction=0."
            )


class RowTexts(Sequence[str]):
    """The texts of some rows, read from the file whenever they are iterated over."""

    def __init__(self, file: TableFile, rows: Integers):
        self._file, self._rows = file, rows

    @override
    def __len__(self) -> int:
        return len(self._rows)

    @override
    def __iter__(self) -> Iterator[str]:
        wanted = np.zeros(int(self._rows.max(initial=-1)) + 1, dtype=np.uint8)
        wanted[self._rows] = 1
        file = self._file
        rows = read_rows(file.path, [file.text_column], file.style)
        # `compress` ends with the shorter of the two, so that reading stops after the last wanted row.
        for row in compress(rows, wanted.tobytes()):
            yield required_text(file.path, file.text, row.position, row.values[0])

    def __getitem__(self, index: int) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One text; reads the file up to it."""
        position = index if index >= 0 else len(self) + index
        for text in islice(self, position, None):
            return text
        raise IndexError(index)


def scan(file: TableFile) -> LabelledTable:
    """Read a table once, without keeping its texts.

    Raises:
        UserError: the file is missing, empty, damaged or not in its encoding, or a row lacks a value.
    """
    names: dict[str, int] = {}
    types: tuple[set[type], set[type]] = (set(), set())
    counts, spaced = LineCounts(file.path, file.style), 0
    labels, texts, positions, splits = array("q"), array("q"), array("q"), array("b")
    for row in read_rows(file.path, file.columns, file.style):
        counts.add(row)
        types[0].add(type(row.values[0]))
        types[1].add(type(row.values[1]))
        text = required_text(file.path, file.text, row.position, row.values[0])
        label = _required_label(file, row)
        spaced += label != label.strip()
        labels.append(names.setdefault(label.strip(), len(names)))
        texts.append(_digest(text))
        positions.append(row.position)
        splits.append(_split_index(file, row) if file.split is not None else 0)
    if not positions:
        raise UserError(f"{file.path} must contain rows with texts and labels. Got only a header.")
    return LabelledTable(
        file,
        tuple(names),
        np.array(labels),
        np.array(texts),
        np.array(positions),
        np.array(splits, dtype=np.int8),
        types,
        spaced,
        (*header_notes(file.path, file.columns, file.style), *counts.notes()),
    )


def _required_label(file: TableFile, row: TableRow) -> str:
    label = as_text(file.path, row.position, file.label, row.values[1])
    if label is None or not label.strip():
        raise UserError(f"{file.location(row)} must contain a label in column {file.label!r}. Got none.")
    return label


def _digest(text: str) -> int:
    """A 64-bit hash; among a million texts, two different ones have the same one with probability 3e-8."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)


def _split_index(file: TableFile, row: TableRow) -> int:
    value = as_text(file.path, row.position, file.split or "", row.values[2])
    name = (value or "").strip().lower()
    name = _SYNONYMS.get(name, name)
    if name not in SPLITS:
        hint = nearest(name, SPLITS)
        raise UserError(
            f"{file.location(row)} must be train, valid or test in column {file.split!r}. "
            f"Got {in_quotes(value or '')}."
            f"{f' Nearest: {hint!r}.' if hint else ''}"
        )
    return SPLITS.index(name)


def and_more(labels: Sequence[str], shown: int = SHOWN) -> str:
    """How many labels a message does not name."""
    rest = len(labels) - shown
    return f" and {rest:,} more {'label' if rest == 1 else 'labels'}" if rest > 0 else ""
