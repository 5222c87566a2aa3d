"""A value of a table as text: numbers, dates and truth values, the same in every format."""

from __future__ import annotations

import json
import math
from datetime import date, datetime, time
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from seqlab.data.sources.table_format import location
from seqlab.schema.errors import UserError, in_quotes

_MISSING_WORDS = frozenset({"nan", "null", "none", "na", "n/a", "#n/a"})
_MOST_DIGITS = 4300
"""Digits of a number: Python writes no longer whole numbers."""


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
        return _decimal(path, position, column, value)
    if isinstance(value, date | time):
        return time_text(value)
    raise UserError(
        f"{location(path, position)} must contain text or a number in column {column!r}. "
        f"Got {in_quotes(str(value))}."
    )


def time_text(value: date | time, nanoseconds: int = 0) -> str:
    """A date, a time or both; midnight is left out.

    Args:
        value: with microseconds.
        nanoseconds: after the last microsecond, 0 to 999.

    >>> time_text(datetime(2020, 1, 2, 3, 4)), time_text(datetime(2020, 1, 2), nanoseconds=7)
    ('2020-01-02 03:04:00', '2020-01-02 00:00:00.000000007')
    """
    if nanoseconds and isinstance(value, datetime | time):
        text = value.isoformat(timespec="microseconds").replace("T", " ")
        end = text.index(".") + 7
        return f"{text[:end]}{nanoseconds:03}{text[end:]}"
    if isinstance(value, datetime) and value == datetime.combine(value.date(), time()):
        return str(value.date())
    return str(value)


def shortest(number: Decimal) -> Decimal:
    """The same number without zeros at its end; the sign of zero is kept.

    >>> shortest(Decimal("1.50")), shortest(Decimal("1e-1234567"))
    (Decimal('1.5'), Decimal('1E-1234567'))
    """
    # The usual context rounds to 28 digits and has smaller exponents.
    digits = max(1, len(number.as_tuple().digits))
    return number.normalize(Context(prec=digits, Emax=MAX_EMAX, Emin=MIN_EMIN))


def json_number(text: str) -> float | Decimal:
    """A number of JSON with a fraction or an exponent: a decimal where a float would lose digits.

    >>> json_number("0.50"), json_number("0.12345678901234567890"), json_number("1e400")
    (0.5, Decimal('0.12345678901234567890'), Decimal('1E+400'))

    Raises:
        ValueError: the exponent has more than 18 digits.
    """
    number = float(text)
    try:
        exact = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"a number that is too large, {in_quotes(text)}") from None
    return number if Decimal(repr(number)) == exact else exact


def is_missing_word(text: str) -> bool:
    """Whether a text is how programs write a missing value where there are only texts.

    >>> [is_missing_word(text) for text in ("NaN", "null", "nan bread")]
    [True, True, False]
    """
    return len(text) <= 4 and text.lower() in _MISSING_WORDS


def _whole(path: Path, position: int, text: str) -> str:
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise UserError(
            f"{location(path, position)} must contain whole characters. Got half of a surrogate pair."
        )
    return text


def _number(path: Path, position: int, column: str, value: float) -> str:
    try:
        return json.dumps(value)
    except ValueError:
        raise _too_many_digits(path, position, column) from None


def _decimal(path: Path, position: int, column: str, value: Decimal) -> str:
    number = shortest(value)
    if max(abs(number.adjusted()), len(number.as_tuple().digits)) >= _MOST_DIGITS:
        raise _too_many_digits(path, position, column)
    return format(number, "f")


def _too_many_digits(path: Path, position: int, column: str) -> UserError:
    return UserError(
        f"{location(path, position)} must contain a number of at most {_MOST_DIGITS:,} digits in column "
        f"{column!r}. Got a longer one."
    )
