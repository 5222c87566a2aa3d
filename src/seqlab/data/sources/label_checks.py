"""The labels of a table's splits: their order, what is refused, and what their user should read."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation

import numpy as np

from seqlab.data.sources.cell_text import is_missing_word, shortest
from seqlab.data.sources.labelled_table import SHOWN, LabelledRows, LabelledTable, and_more
from seqlab.schema.errors import UserError, in_quotes, nearest

_TYPES = {str: "text", int: "whole numbers", float: "numbers", Decimal: "numbers", bool: "truth values"}
# Small letters of Cyrillic and Greek that look like Latin ones in most fonts.
_LOOK_ALIKE = str.maketrans("аеорсухіјѕԁһԛԝνοιτκρυχαωγ", "aeopcyxijsdhqwvoitkpuxawy")


def check_labels(splits: Mapping[str, LabelledRows]) -> tuple[str, ...]:
    """All labels of the training rows, sorted: numerically if all are numbers.

    Raises:
        UserError: there is only one label, one is missing among numbers, or another split has a label that
            training does not have.
    """
    train = splits["train"]
    names = train.label_names()
    _check_missing(train, names)
    names = sorted_labels(names)
    if len(names) < 2:
        raise UserError(
            f"Column {train.table.file.label!r} of {train.table.file.path} must contain at least 2 labels. "
            f"Got {in_quotes(names[0])} in every training row."
        )
    for split, part in splits.items():
        for label in part.label_names():
            if label not in names:
                hint = nearest(label, names)
                advice = f" Nearest: {in_quotes(hint)}." if hint else ""
                raise UserError(
                    f"{part.location(label)}: every label must occur in training. "
                    f"Got {in_quotes(label)} in {split!r} only.{advice}"
                )
    return tuple(names)


def sorted_labels(names: Collection[str]) -> list[str]:
    """Labels in alphabetical order, or by value where all of them are numbers.

    >>> sorted_labels(["10", "9"]), sorted_labels(["10", "9", "x"])
    (['9', '10'], ['10', '9', 'x'])
    """
    numbers = {name: number for name in names if (number := _number(name)) is not None}
    # Decimals are compared exactly, however many digits they have.
    return sorted(names, key=numbers.__getitem__ if len(numbers) == len(names) else None)


def _check_missing(train: LabelledRows, names: Sequence[str]) -> None:
    """Refuse `nan` and its like among numbers: text files have no other sign for a missing number."""
    missing = [name for name in names if is_missing_word(name)]
    numbers = [_number(name) for name in names if name not in missing]
    if missing and numbers and None not in numbers:
        raise UserError(
            f"{train.location(missing[0])} must contain a label in column {train.table.file.label!r}. "
            f"Got {missing[0]!r} among numbers."
        )


def label_notes(splits: Mapping[str, LabelledRows], names: Sequence[str]) -> Iterator[str]:
    """Notes on how the tables were read and on their labels."""
    tables = {id(part.table): part.table for part in splits.values()}
    for table in tables.values():
        yield from table.notes
    yield from _look_alike_notes(names)
    for split, part in splits.items():
        missing = sorted(set(names) - set(part.label_names()))
        if missing:
            shown = ", ".join(map(in_quotes, missing[:SHOWN]))
            yield f"No text in {split!r} has the label {shown}{and_more(missing)}."
    for table in tables.values():
        yield from _spaces_notes(table)
        yield from _type_notes(table)
        yield from _conflict_notes(table)


def _look_alike_notes(names: Sequence[str]) -> Iterator[str]:
    """One note on all labels that a reader could take for each other."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[appearance(name)].append(name)
    alike = [group for group in groups.values() if len(group) > 1]
    if alike:
        shown = "; ".join(" and ".join(map(_spelled, group[:SHOWN])) for group in alike[:SHOWN])
        rest = f"; and {len(alike) - SHOWN:,} more groups" if len(alike) > SHOWN else ""
        yield f"Labels that look the same are different labels: {shown}{rest}."


def appearance(label: str) -> str:
    """Equal for labels that look the same: by case, accents, spaces, similar letters, or their numbers.

    >>> appearance("Good ") == appearance("gоod"), appearance("1.0") == appearance("1")
    (True, True)
    """
    if (number := _number(label)) is not None:
        return str(shortest(number) if number else 0)
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", label).casefold())
    visible = "".join(one for one in text if unicodedata.category(one) != "Cf")
    return " ".join(visible.translate(_LOOK_ALIKE).split())


def _spelled(name: str) -> str:
    """A label in quotes, with the code points of characters whose shape does not identify them."""
    if name.isascii() and name.isprintable():
        return in_quotes(name)
    return f"{in_quotes(name)} ({' '.join(f'{ord(one):04X}' for one in name[:12])})"


def _spaces_notes(table: LabelledTable) -> Iterator[str]:
    if table.spaced:
        rows = "1 row has" if table.spaced == 1 else f"{table.spaced:,} rows have"
        yield (
            f"{rows} spaces around the label in column {table.file.label!r} of {table.file.path}. They are "
            "not part of it."
        )


def _type_notes(table: LabelledTable) -> Iterator[str]:
    for column, types in zip((table.file.text, table.file.label), table.types, strict=True):
        names = sorted({_TYPES.get(one, one.__name__) for one in types})
        if len(names) > 1:
            yield (
                f"Column {column!r} of {table.file.path} contains values of several types "
                f"({', '.join(names)}). All are "
                'read as text, so 1 and "1" are equal, but 1, 1.0 and true are not.'
            )


def _conflict_notes(table: LabelledTable) -> Iterator[str]:
    pairs = np.unique(np.stack([table.texts, table.labels]), axis=1)
    conflicting = int((np.unique(pairs[0], return_counts=True)[1] > 1).sum())
    if conflicting:
        one = "1 text has" if conflicting == 1 else f"{conflicting:,} texts have"
        yield f"{one} more than one label in {table.file.path}."


def _number(name: str) -> Decimal | None:
    """The number that a label is; None if it is none."""
    try:
        number = Decimal(name)
    except InvalidOperation:
        return None
    return number if number.is_finite() and "_" not in name else None
