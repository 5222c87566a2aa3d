"""A user's table without its texts: labels, which texts are equal, and where rows are in the file.

A table may be larger than memory. It is read once to collect a few numbers per row, from which the splits are
made, and again whenever texts are needed.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from seqlab.data.sources.table_rows import TableRow, as_text, location, read_rows
from seqlab.schema.errors import UserError, nearest

Integers = NDArray[np.int64]
SPLITS = ("train", "valid", "test")
_SYNONYMS = {"training": "train", "validation": "valid", "val": "valid", "dev": "valid"}
_SHOWN = 3  # labels that an error or a note names
_TYPES = {str: "text", int: "whole numbers", float: "numbers", bool: "truth values"}


@dataclass(frozen=True)
class TableFile:
    """A file and the names of its columns; `split` is None if no column gives the split."""

    path: Path
    text: str
    label: str
    split: str | None
    encoding: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns to read."""
        return (self.text, self.label, *([self.split] if self.split is not None else []))

    def location(self, row: TableRow) -> str:
        """Where a row is, for a message."""
        return location(self.path, row.position)

    def texts(self, row: TableRow, *columns: str) -> Iterator[str | None]:
        """A row's values in these columns as text; see `as_text`."""
        for column, value in zip(columns, row.values, strict=True):
            yield value if isinstance(value, str) else as_text(self.path, row.position, column, value)


@dataclass(frozen=True)
class LabelledTable:
    """25 bytes per row, however long its text is.

    names: labels in the order of their first occurrence. labels: their indices, per row. texts: hashes, equal
    for equal texts. positions: lines, or row numbers. splits: index in `SPLITS` according to the split
    column; 0 without one. types: of the values in the columns of texts and of labels.
    """

    file: TableFile
    names: tuple[str, ...]
    labels: Integers
    texts: Integers
    positions: Integers
    splits: NDArray[np.int8]
    types: tuple[set[type], set[type]]

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
            shown = ", ".join(f"{label!r} ({self.location(label)})" for label in single[:_SHOWN])
            raise UserError(
                "Every label must have at least 2 different texts, one to train on and one to validate on. "
                f"Got one text for {shown}{_and_more(single)}. Add texts, remove the label, or give "
                "'data.valid_path' and 'data.test_path'."
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
        rows = read_rows(self._file.path, [self._file.text], self._file.encoding)
        # `compress` ends with the shorter of the two, so that reading stops after the last wanted row.
        texts = (next(self._file.texts(row, self._file.text)) for row in compress(rows, wanted.tobytes()))
        return (text or "" for text in texts)

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
    labels, texts, positions, splits = array("q"), array("q"), array("q"), array("b")
    for row in read_rows(file.path, file.columns, file.encoding):
        text, label, split = _required(file, row)
        types[0].add(type(row.values[0]))
        types[1].add(type(row.values[1]))
        labels.append(names.setdefault(label, len(names)))
        texts.append(_digest(text, file, row))
        positions.append(row.position)
        splits.append(_split_index(split, file, row) if file.split is not None else 0)
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
    )


def _required(file: TableFile, row: TableRow) -> tuple[str, str, str | None]:
    """A row's text, its label, and the value of the split column, which may be missing."""
    text, label, *split = file.texts(row, *file.columns)
    if text is None:
        raise UserError(
            f"{file.location(row)} must contain text in column {file.text!r}. Got nothing (null)."
        )
    if label is None or not (label := label.strip()):
        raise UserError(f"{file.location(row)} must contain a label in column {file.label!r}. Got none.")
    return text, label, split[0] if split else None


def check_labels(splits: Mapping[str, LabelledRows]) -> tuple[str, ...]:
    """All labels of the training rows, sorted: numerically if all are whole numbers.

    Raises:
        UserError: there is only one label, or another split has a label that training does not have.
    """
    train = splits["train"]
    names = train.label_names()
    names.sort(key=int if all(_is_whole_number(name) for name in names) else None)
    if len(names) < 2:
        raise UserError(
            f"Column {train.table.file.label!r} of {train.table.file.path} must contain at least 2 labels. "
            f"Got {names[0]!r} in every training row."
        )
    for split, part in splits.items():
        for label in part.label_names():
            if label not in names:
                hint = nearest(label, names)
                raise UserError(
                    f"{part.location(label)}: every label must occur in training. "
                    f"Got {label!r} in {split!r} only.{f' Nearest: {hint!r}.' if hint else ''}"
                )
    return tuple(names)


def label_notes(splits: Mapping[str, LabelledRows], names: Sequence[str]) -> Iterator[str]:
    """Notes about labels that a split lacks, values of several types, and texts with several labels."""
    for split, part in splits.items():
        missing = sorted(set(names) - set(part.label_names()))
        if missing:
            shown = ", ".join(map(repr, missing[:_SHOWN]))
            yield f"No text in {split!r} has the label {shown}{_and_more(missing)}."
    tables = {id(part.table): part.table for part in splits.values()}
    for table in tables.values():
        yield from _type_notes(table)
        pairs = np.unique(np.stack([table.texts, table.labels]), axis=1)
        conflicting = int((np.unique(pairs[0], return_counts=True)[1] > 1).sum())
        if conflicting:
            one = "1 text has" if conflicting == 1 else f"{conflicting:,} texts have"
            yield f"{one} more than one label in {table.file.path}."


def _type_notes(table: LabelledTable) -> Iterator[str]:
    for column, types in zip((table.file.text, table.file.label), table.types, strict=True):
        if len(types) > 1:
            found = ", ".join(sorted(_TYPES.get(one, one.__name__) for one in types))
            yield (
                f"Column {column!r} of {table.file.path} contains values of several types ({found}). All are "
                'read as text, so 1 and "1" are equal, but 1, 1.0 and true are not.'
            )


def _and_more(labels: Sequence[str]) -> str:
    """How many labels a message does not name."""
    rest = len(labels) - _SHOWN
    return f" and {rest:,} more {'label' if rest == 1 else 'labels'}" if rest > 0 else ""


def _digest(text: str, file: TableFile, row: TableRow) -> int:
    """A 64-bit hash; among a million texts, two different ones have the same one with probability 3e-8."""
    try:
        data = text.encode()
    except UnicodeEncodeError:
        raise UserError(
            f"{file.location(row)} must contain whole characters. Got half of a surrogate pair."
        ) from None
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big", signed=True)


def _split_index(value: str | None, file: TableFile, row: TableRow) -> int:
    name = (value or "").strip().lower()
    name = _SYNONYMS.get(name, name)
    if name not in SPLITS:
        hint = nearest(name, SPLITS)
        raise UserError(
            f"{file.location(row)} must be train, valid or test in column {file.split!r}. Got {value!r}."
            f"{f' Nearest: {hint!r}.' if hint else ''}"
        )
    return SPLITS.index(name)


def _is_whole_number(name: str) -> bool:
    return name.removeprefix("-").isascii() and name.removeprefix("-").isdigit()
