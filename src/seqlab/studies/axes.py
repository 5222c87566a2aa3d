"""What varies in a study: the axes of its file, checked and flattened."""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, TypeGuard

from seqlab.comparison.study_cells import EPOCHS
from seqlab.schema.errors import UserError, unknown
from seqlab.schema.settings import format_setting
from seqlab.studies.axis import Axis, Choices, Range

__all__ = ["ARCHITECTURE", "EPOCHS", "combinations", "read"]

ARCHITECTURE = ("base", "model", "model.kind", "model.cell", "model.implementation")
"""Axes that define what is compared; the other axes are settings that each of these is tried with."""
_RANGE = ("low", "high", "log")
MOST_SHOWN = 10
"""Values of an axis that a message lists."""
_LARGEST = 2**63
"""Integers of a range are below this in size: they are drawn as 64 bits."""


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


def overlap(key: str, other: str) -> bool:
    """Whether two keys are of one setting, or one is of a table with the other.

    >>> overlap("model", "model.cell"), overlap("model.cell", "model.cells")
    (True, False)
    """
    return key == other or key.startswith(f"{other}.") or other.startswith(f"{key}.")


def _leaves(table: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        # A table with an end of a range is an axis itself; any other table nests further keys.
        if isinstance(value, Mapping) and value and not set(value) & set(_RANGE):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _check_key(key: str, known: Sequence[str]) -> None:
    if key in ("seed", "name"):
        nearest = "'seeds' of the study" if key == "seed" else "'name' of the study"
        raise UserError(f"An axis must be a setting that may vary. Got {key!r}. Nearest: {nearest}.")
    for other in known:
        # `model` and `model.cell` would overwrite each other, depending on their order.
        if overlap(key, other):
            raise UserError(f"A setting must have one axis. Got two: {other!r} and {key!r}.")


def _axis(key: str, value: Any) -> Axis:
    if isinstance(value, Mapping):
        return _range(key, value)
    if not isinstance(value, list | tuple) or not value:
        raise UserError(f"Axis {key!r} must be a list of values, or {{low, high, log}}. Got {value!r}.")
    # As texts, too: the results of two values that are written alike could not be distinguished.
    different = len({_hashable(each) for each in value}), len({format_setting(each) for each in value})
    if min(different) < len(value):
        raise UserError(f"The values of axis {key!r} must differ from each other. Got {_shown(value)}.")
    return Choices(key, tuple(value))


def _hashable(value: Any) -> Hashable:
    """Equal for equal values."""
    match value:
        case list():
            return tuple(_hashable(each) for each in value)
        case dict():
            return frozenset((key, _hashable(each)) for key, each in value.items())
        case _:
            return value


def _shown(values: Sequence[Any]) -> str:
    """A list of values, of a long one the beginning."""
    more = f", and {len(values) - MOST_SHOWN:,} more" if len(values) > MOST_SHOWN else ""
    return f"{list(values[:MOST_SHOWN])!r}{more}"


def _range(key: str, table: Mapping[str, Any]) -> Range:
    for name in table:
        if name not in _RANGE:
            raise unknown("setting", name, _RANGE, where=f"of the range of axis {key!r}")
    low, high, log = table.get("low"), table.get("high"), table.get("log", False)
    if not (_is_number(low) and _is_number(high) and isinstance(log, bool)):
        raise UserError(f"Axis {key!r} must have numbers 'low' and 'high'. Got {dict(table)!r}.")
    if not (_is_drawable(low, high) and low < high and (low > 0 or not log)):
        positive = ", both above 0 where 'log' is true" if log else ""
        raise UserError(
            f"Axis {key!r} must go from 'low' to a higher 'high'{positive}, a finite distance away. "
            f"Got {dict(table)!r}."
        )
    return Range(key, low, high, log)


def _is_number(value: Any) -> TypeGuard[int | float]:
    # To Python a bool is an int.
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_drawable(low: float, high: float) -> bool:
    """Whether numbers can be drawn between these."""
    if isinstance(low, int) and isinstance(high, int):
        return max(abs(low), abs(high)) < _LARGEST
    return math.isfinite(low) and math.isfinite(high) and math.isfinite(high - low)
