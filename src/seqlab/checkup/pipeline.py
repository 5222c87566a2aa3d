"""A data pipeline as the subject of a checkup: splits of batches. Legend: B rows, T steps."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from seqlab.schema.errors import UserError

Tokens = tuple[int, ...]
TOKENS = ("tokens", "input_ids", "inputs", "input", "x", "text")
LENGTHS = ("lengths", "length", "lens")
MASKS = ("attention_mask", "mask")
LABELS = ("labels", "label", "targets", "target", "y")
MOST = 200_000
"""Rows of a split that are read, at most."""


@dataclass(frozen=True)
class Row:
    """One sequence of a batch. tokens: with its padding. length: None where the batch does not say it."""

    tokens: Tokens
    length: int | None
    label: Any
    left: bool = False

    @property
    def real(self) -> Tokens:
        """Its tokens without padding, by its length."""
        if self.length is None:
            return self.tokens
        return self.tokens[len(self.tokens) - self.length :] if self.left else self.tokens[: self.length]


@dataclass(frozen=True)
class SplitRows:
    """What a split holds.

    stored: its examples before batching, tokens and label; None where they are not given.

    size: their number, also where they are no tokens. first, second: the rows of two passes.
    """

    stored: list[tuple[Tokens, Any]] | None
    size: int | None
    first: list[Row]
    second: list[Row]


@dataclass(frozen=True)
class Pipeline:
    """Splits by name, and the ids of padding and of the end of a sequence, where there are such."""

    splits: Mapping[str, SplitRows]
    padding: int | None
    end: int | None

    def rows(self) -> Iterator[tuple[str, int, Row]]:
        """Every row of a first pass, with its split and number."""
        for name, split in self.splits.items():
            for index, row in enumerate(split.first):
                yield name, index, row


def read_pipeline(splits: Any, *, padding: int | None = None, end: int | None = None) -> Pipeline:
    """Read every split twice.

    Args:
        splits: a mapping from names to loaders, to pairs (examples, loader), or to objects with the
            attributes `examples` and `loader`; or one loader, which is the training split; or a function that
            returns it. A loader is iterable, again and again, over batches: mappings with `tokens` (B, T),
            and as far as there are such `lengths` (B,) or `attention_mask` (B, T), and `labels` (B,) or
            `targets` (B, T); or tuples (tokens, labels) or (tokens, lengths, labels). An example is (tokens,
            label).
        padding: the id of padding; None: the one that fills rows after their lengths.
        end: the id that ends each sequence; None: the one that ends every example, if there is one.

    Raises:
        UserError: a split or batch has another form, or there is none.
    """
    given = splits() if callable(splits) and not isinstance(splits, Mapping) else splits
    named: Mapping[str, Any] = given if isinstance(given, Mapping) else {"train": given}
    if not named:
        raise UserError("A pipeline must have at least one split. Got none.")
    read = {str(name): _read_split(str(name), split) for name, split in named.items()}
    pad = padding if padding is not None else _guessed_padding(read)
    return Pipeline(read, pad, end if end is not None else _guessed_end(read))


def _read_split(name: str, split: Any) -> SplitRows:
    examples, loader = _parts(split)
    if not isinstance(loader, Iterable):
        raise UserError(f"Split {name!r} must be iterable over batches. Got {type(loader).__name__}.")
    stored = None if examples is None else _stored(examples)
    size = len(stored) if stored is not None else _size(examples)
    first, second = (list(itertools.islice(_rows(name, loader), MOST)) for _ in range(2))
    if not first:
        raise UserError(f"Split {name!r} must have at least one batch. Got none.")
    return SplitRows(stored, size, first, second)


def _parts(split: Any) -> tuple[Any, Any]:
    if isinstance(split, tuple) and len(split) == 2:
        return split
    loader = getattr(split, "loader", None)
    if loader is not None:
        return getattr(split, "examples", None), loader
    dataset = getattr(split, "dataset", None)
    return dataset, split


def _size(examples: Any) -> int | None:
    try:
        return len(examples)
    except TypeError:
        return None


def _stored(examples: Any) -> list[tuple[Tokens, Any]] | None:
    """Examples as tokens and label; None where they are something else, such as texts."""
    try:
        count = min(len(examples), MOST)
        return [_example(examples[index]) for index in range(count)]
    except (TypeError, ValueError, KeyError, IndexError):
        return None


def _example(example: Any) -> tuple[Tokens, Any]:
    if isinstance(example, Mapping):
        tokens, label = _first(example, TOKENS), _first(example, LABELS)
    else:
        tokens, label = example[0], example[-1] if len(example) > 1 else None
    values = tokens.tolist() if hasattr(tokens, "tolist") else tokens
    if (
        isinstance(values, str)
        or not isinstance(values, Sequence)
        or any(not isinstance(v, int) for v in values)
    ):
        raise ValueError("tokens are numbers")
    return tuple(values), plain_label(label)


def _rows(name: str, loader: Any) -> Iterator[Row]:
    for batch in loader:
        yield from _rows_of(name, batch)


def _rows_of(name: str, batch: Any) -> Iterator[Row]:
    tokens, lengths, mask, labels = _members(batch)
    table: Any = plain_label(tokens)
    if not isinstance(table, tuple):
        raise UserError(
            f"A batch of split {name!r} must be a mapping with 'tokens', or a tuple (tokens, labels). "
            f"Got {type(batch).__name__}{_keys(batch)}."
        )
    masks = None if mask is None else mask.tolist()
    for index, row in enumerate(table):
        length = None if lengths is None else int(lengths[index])
        left = False
        if masks is not None and length is None:
            length = sum(map(bool, masks[index]))
            left = bool(masks[index]) and not masks[index][0] and bool(masks[index][-1])
        yield Row(tuple(row), length, None if labels is None else plain_label(labels[index]), left)


def _keys(batch: Any) -> str:
    return f" with {sorted(map(str, batch))}" if isinstance(batch, Mapping) else ""


def _members(batch: Any) -> tuple[Any, Any, Any, Any]:
    """Tokens, lengths, mask and labels."""
    if isinstance(batch, Mapping):
        return _first(batch, TOKENS), _first(batch, LENGTHS), _first(batch, MASKS), _first(batch, LABELS)
    if isinstance(batch, tuple | list) and batch:
        parts: list[Any] = list(batch)
        return parts[0], parts[1] if len(parts) > 2 else None, None, parts[-1] if len(parts) > 1 else None
    return batch, None, None, None


def _first(values: Mapping[Any, Any], names: Sequence[str]) -> Any:
    return next((values[name] for name in names if name in values), None)


def plain_label(value: Any) -> Any:
    """A label that can be compared: a number, a text or a tuple."""
    value = value.tolist() if isinstance(value, Tensor) or hasattr(value, "tolist") else value
    return tuple(value) if isinstance(value, list) else value


def _guessed_padding(splits: Mapping[str, SplitRows]) -> int | None:
    filled = Counter(
        token
        for split in splits.values()
        for row in split.first
        if row.length is not None
        for token in (row.tokens[: len(row.tokens) - row.length] if row.left else row.tokens[row.length :])
    )
    most = filled.most_common(1)
    return most[0][0] if most and most[0][1] > 0.6 * filled.total() else None


def _guessed_end(splits: Mapping[str, SplitRows]) -> int | None:
    last = {tokens[-1] for split in splits.values() for tokens, _ in split.stored or () if tokens}
    count = sum(len(split.stored or ()) for split in splits.values())
    return last.pop() if len(last) == 1 and count > 4 else None
