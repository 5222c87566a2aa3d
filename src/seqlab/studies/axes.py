"""What varies in a study: the axes of its file, checked and flattened."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seqlab.compare.study_cells import EPOCHS
from seqlab.schema.errors import UserError
from seqlab.studies.axis import Axis, Choices, Range

__all__ = ["ARCHITECTURE", "EPOCHS", "combinations", "read"]

ARCHITECTURE = ("base", "model", "model.kind", "model.cell")
"""Axes that define what is compared; the other axes are settings that each of these is tried with."""
_RANGE = {"low", "high", "log"}


def read(axes: Mapping[str, Any]) -> list[Axis]:
    """The axes of a file, written `"model.cell" = [...]` or nested as `model.cell = [...]`.

    >>> read({"training": {"epochs": [1, 3]}, "seed_of_data": {"low": 0, "high": 9}})
    [Choices(key='training.epochs', values=(1, 3)), Range(key='seed_of_data', low=0, high=9, log=False)]

    Raises:
        UserError: two axes have one key, one varies the seed, or one has no values.
    """
    parsed: list[Axis] = []
    for key, value in _leaves(axes, ""):
        _check_key(key, [axis.key for axis in parsed])
        parsed.append(_axis(key, value))
    return parsed


def combinations(axes: Sequence[Axis]) -> list[dict[str, Any]]:
    """Every combination of the values, the last axis fastest.

    >>> combinations([Choices("a", (1, 2)), Choices("b", (3, 4))])
    [{'a': 1, 'b': 3}, {'a': 1, 'b': 4}, {'a': 2, 'b': 3}, {'a': 2, 'b': 4}]

    Raises:
        UserError: an axis is a range, whose values are not listed.
    """
    keys = [axis.key for axis in axes]
    values = itertools.product(*(axis.grid() for axis in axes))
    return [dict(zip(keys, combination, strict=True)) for combination in values]


def _leaves(table: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        # A table of a range's keys only is an axis itself; any other table nests further keys.
        if isinstance(value, Mapping) and not set(value) <= _RANGE:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _check_key(key: str, known: Sequence[str]) -> None:
    if key in ("seed", "name"):
        nearest = "'seeds' of the study" if key == "seed" else "'name' of the study"
        raise UserError(f"An axis must be a setting that may vary. Got {key!r}. Nearest: {nearest}.")
    for other in known:
        # `model` and `model.cell` would overwrite each other, depending on their order.
        if key == other or key.startswith(f"{other}.") or other.startswith(f"{key}."):
            raise UserError(f"A setting must have one axis. Got two: {other!r} and {key!r}.")


def _axis(key: str, value: Any) -> Axis:
    if isinstance(value, Mapping):
        return _range(key, value)
    if not isinstance(value, list | tuple) or not value:
        raise UserError(f"Axis {key!r} must be a list of values, or {{low, high, log}}. Got {value!r}.")
    # Compared in pairs, because values may be tables, which cannot be members of a set.
    if any(value[i] == value[j] for i, j in itertools.combinations(range(len(value)), 2)):
        raise UserError(f"The values of axis {key!r} must differ from each other. Got {list(value)!r}.")
    return Choices(key, tuple(value))


def _range(key: str, table: Mapping[str, Any]) -> Range:
    low, high, log = table.get("low"), table.get("high"), table.get("log", False)
    # To Python a bool is an int.
    numbers = all(isinstance(end, int | float) and not isinstance(end, bool) for end in (low, high))
    if not (numbers and isinstance(log, bool)):
        raise UserError(f"Axis {key!r} must have numbers 'low' and 'high'. Got {dict(table)!r}.")
    assert low is not None
    assert high is not None
    if not (math.isfinite(low) and math.isfinite(high) and low < high and (low > 0 or not log)):
        positive = ", both above 0 where 'log' is true" if log else ""
        raise UserError(f"Axis {key!r} must go from 'low' to a higher 'high'{positive}. Got {dict(table)!r}.")
    return Range(key, low, high, log)
