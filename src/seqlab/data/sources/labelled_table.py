"""What is known of a table's rows without its texts: labels, equal texts, places."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seqlab.data.sources.table_rows import TableRow, as_text, read_rows, where
from seqlab.schema.errors import UserError, nearest

Integers = NDArray[np.int64]
SPLITS = ("train", "valid", "test")
_ALSO = {"training": "train", "validation": "valid", "val": "valid", "dev": "valid"}
_SHOWN = 3  # labels an error or a note names
_TYPES = {str: "text", int: "whole numbers", float: "numbers", bool: "truth values"}


@dataclass(frozen=True)
class TableFile:
    """A file and the names of its columns; `split` is None where no column says the split."""

    path: Path
    text: str
    label: str
    split: str | None
    encoding: str

    def where(self, row: TableRow) -> str:
        """A row's place in words."""
        return where(self.path, row.place)

    def texts(self, row: TableRow, *columns: str) -> Iterator[str | None]:
        """A row's values of these columns as text; see `as_text`."""
        for column, value in zip(columns, row.values, strict=True):
            yield value if isinstance(value, str) else as_text(self.path, row.place, column, value)


@dataclass(frozen=True)
class LabelledTable:
    """What is known of each row: 25 bytes, however long its text.

    names: labels in the order in which they first stand. labels: ids of them. texts: equal for equal texts.
    places: lines, or numbers of rows. splits: index in `SPLITS`, as the split column says; 0 without one.
    types: of values that stand in the columns of texts and of labels.
    """

    file: TableFile
    names: tuple[str, ...]
    labels: Integers
    texts: Integers
    places: Integers
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
        """The place of each row's label among all labels."""
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
                f"Column {self.table.file.split!r} of {self.table.file.path} must say train in some row. "
                "Got none."
            )
        return {name: LabelledRows(self.table, rows) for name, rows in splits.items() if len(rows)}

    def label_names(self) -> list[str]:
        """The labels that occur."""
        return [self.table.names[index] for index in np.unique(self.table.labels[self.rows])]

    def where(self, label: str) -> str:
        """The first row with this label, in words."""
        rows = self.rows[self.table.labels[self.rows] == self.table.names.index(label)]
        return where(self.table.file.path, int(self.table.places[rows[0]]))

    def check_divisible(self) -> None:
        """Make sure that every label can stand on two sides of a division.

        Raises:
            UserError: a label has one text only.
        """
        pairs = np.unique(np.stack([self.table.labels[self.rows], self.table.texts[self.rows]]), axis=1)
        labels, counts = np.unique(pairs[0], return_counts=True)
        alone = [self.table.names[index] for index in labels[counts == 1]]
        if alone and len(labels) > 1:
            shown = ", ".join(f"{label!r} ({self.where(label)})" for label in alone[:_SHOWN])
            more = f" and {len(alone) - _SHOWN:,} more" if len(alone) > _SHOWN else ""
            raise UserError(
                "Every label must have at least 2 different texts, one to train on and one to validate on. "
                f"Got one of {shown}{more}. Add texts, leave the label out, or give 'data.valid_path' and "
                "'data.test_path'."
            )


class RowTexts(Sequence[str]):
    """The texts of some rows, read from the file each time they are gone through."""

    def __init__(self, file: TableFile, rows: Integers):
        self._file, self._rows = file, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[str]:
        wanted = np.zeros(int(self._rows.max(initial=-1)) + 1, dtype=np.uint8)
        wanted[self._rows] = 1
        rows = read_rows(self._file.path, [self._file.text], self._file.encoding)
        texts = (next(self._file.texts(row, self._file.text)) for row in compress(rows, wanted.tobytes()))
        return (text or "" for text in texts)

    def __getitem__(self, index: int) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One text; reads the file up to it."""
        place = index if index >= 0 else len(self) + index
        for text in islice(self, place, None):
            return text
        raise IndexError(index)


def scan(file: TableFile) -> LabelledTable:
    """Go through a table once.

    Raises:
        UserError: the file is missing, empty, damaged or not in its encoding, or a row lacks a value.
    """
    names: dict[str, int] = {}
    types: tuple[set[type], set[type]] = (set(), set())
    labels, texts, places, splits = array("q"), array("q"), array("q"), array("b")
    columns = (file.text, file.label, *([file.split] if file.split is not None else []))
    for row in read_rows(file.path, columns, file.encoding):
        text, label, *split = file.texts(row, *columns)
        if text is None:
            raise UserError(f"{file.where(row)} must hold text in column {file.text!r}. Got nothing (null).")
        if label is None or not (label := label.strip()):
            raise UserError(f"{file.where(row)} must hold a label in column {file.label!r}. Got none.")
        types[0].add(type(row.values[0]))
        types[1].add(type(row.values[1]))
        labels.append(names.setdefault(label, len(names)))
        texts.append(_digest(text, file, row))
        places.append(row.place)
        splits.append(_split_index(split[0], file, row) if split else 0)
    if not places:
        raise UserError(f"{file.path} must hold rows with texts and labels. Got only a header.")
    return LabelledTable(
        file,
        tuple(names),
        np.array(labels),
        np.array(texts),
        np.array(places),
        np.array(splits, dtype=np.int8),
        types,
    )


def check_labels(splits: Mapping[str, LabelledRows]) -> tuple[str, ...]:
    """All labels, those of the training rows, sorted: by value where all are whole numbers.

    Raises:
        UserError: there is only one, or another split has one more.
    """
    train = splits["train"]
    names = train.label_names()
    names.sort(key=int if all(_whole(name) for name in names) else None)
    if len(names) < 2:
        raise UserError(
            f"Column {train.table.file.label!r} of {train.table.file.path} must hold at least 2 labels. "
            f"Got {names[0]!r} in every row to train on."
        )
    for split, part in splits.items():
        for label in part.label_names():
            if label not in names:
                hint = nearest(label, names)
                raise UserError(
                    f"{part.where(label)}: every label must occur in training. "
                    f"Got {label!r} in {split!r} only.{f' Nearest: {hint!r}.' if hint else ''}"
                )
    return tuple(names)


def label_notes(splits: Mapping[str, LabelledRows], names: Sequence[str]) -> Iterator[str]:
    """What to say about labels: those missing in a split, and texts with several."""
    for split, part in splits.items():
        missing = sorted(set(names) - set(part.label_names()))
        if missing:
            shown = ", ".join(map(repr, missing[:_SHOWN]))
            more = f" and {len(missing) - _SHOWN:,} more labels" if len(missing) > _SHOWN else ""
            yield f"No text in {split!r} is labelled {shown}{more}."
    tables = {id(part.table): part.table for part in splits.values()}
    for table in tables.values():
        for column, types in zip((table.file.text, table.file.label), table.types, strict=True):
            if len(types) > 1:
                found = ", ".join(sorted(_TYPES.get(one, one.__name__) for one in types))
                yield (
                    f"Column {column!r} of {table.file.path} holds values of several types ({found}); all "
                    'are taken as text, so 1 and "1" are equal and 1, 1.0 and true are not.'
                )
        pairs = np.unique(np.stack([table.texts, table.labels]), axis=1)
        torn = int((np.unique(pairs[0], return_counts=True)[1] > 1).sum())
        if torn:
            one = "1 text stands" if torn == 1 else f"{torn:,} texts stand"
            yield f"{one} in {table.file.path} with more than one label."


def _digest(text: str, file: TableFile, row: TableRow) -> int:
    """64 bits of a hash: among a million texts, two different ones share them with probability 3e-8."""
    try:
        data = text.encode()
    except UnicodeEncodeError:
        raise UserError(
            f"{file.where(row)} must hold whole characters. Got half of a surrogate pair."
        ) from None
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big", signed=True)


def _split_index(value: str | None, file: TableFile, row: TableRow) -> int:
    name = (value or "").strip().lower()
    name = _ALSO.get(name, name)
    if name not in SPLITS:
        hint = nearest(name, SPLITS)
        raise UserError(
            f"{file.where(row)} must say train, valid or test in column {file.split!r}. Got {value!r}."
            f"{f' Nearest: {hint!r}.' if hint else ''}"
        )
    return SPLITS.index(name)


def _whole(name: str) -> bool:
    return name.removeprefix("-").isascii() and name.removeprefix("-").isdigit()
