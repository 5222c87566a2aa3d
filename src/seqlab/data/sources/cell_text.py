"""A value of a table as text: numbers, dates and truth values, the same in every format."""

from __future__ import annotations

import json
import math
from datetime import date, datetime, time
from decimal import Context, Decimal
from pathlib import Path
from typing import Any

from seqlab.data.sources.table_format import location
from seqlab.schema.errors import UserError


def as_text(path: Path, position: int, column: str, value: Any) -> str | None:
    """A value as text; None if it is missing, as null and NaN are.

    Numbers and truth values are written as in JSON, decimals and times by their shortest digits.

    >>> [as_text(Path("a.jsonl"), 1, "label", value) for value in ("a", 1, 0.5, True, None, math.nan)]
    ['a', '1', '0.5', 'true', None, None]
    >>> [as_text(Path("a.parquet"), 1, "label", value) for value in (Decimal("2.50"), datetime(2020, 1, 2))]
    ['2.5', '2020-01-02']

    Raises:
        UserError: it is a list, an object or something similar, or text with half of a surrogate pair.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, str):
        return _whole(path, position, value)
    if isinstance(value, bool | int | float):
        return _number(path, position, column, value)
    if isinstance(value, Decimal):
        # The usual context would round to 28 digits.
        exact = Context(prec=max(1, len(value.as_tuple().digits)))
        return format(value.normalize(exact), "f")
    if isinstance(value, datetime) and value == datetime.combine(value.date(), time()):
        return str(value.date())
    if isinstance(value, date | time):
        return str(value)
    raise UserError(
        f"{location(path, position)} must contain text or a number in column {column!r}. "
        f"Got {str(value)[:40]!r}."
    )


def _whole(path: Path, position: int, text: str) -> str:
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise UserError(
            f"{location(path, position)} must contain whole characters. Got half of a surrogate pair."
        )
    return text


def _number(path: Path, position: int, column: str, value: float) -> str:
    try:
        return json.dumps(value)
    except ValueError:  # Python writes no whole numbers of more than 4,300 digits
        raise UserError(
            f"{location(path, position)} must contain a number of at most 4,300 digits in column {column!r}. "
            "Got a longer one."
        ) from None
