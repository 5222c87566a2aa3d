"""Rows without text: their numbers, for one sentence about all of them."""

from __future__ import annotations

from collections.abc import Iterable
from math import isnan

from seqlab.schema.errors import UserError, require_utf8
from seqlab.stats.formatting import counted

SHOWN = 10
"""Numbers of rows in a note."""


def has_text(text: str) -> bool:
    """Whether a text has any character but spaces.

    >>> [has_text(text) for text in ("a", "", " ")]
    [True, False, False]
    """
    return bool(text) and not text.isspace()


def given_texts(texts: Iterable[str | float | None]) -> list[str]:
    """Texts of arguments or of Python, "" where a table's missing value, None or NaN, is given.

    >>> given_texts(["a", None, float("nan")])
    ['a', '', '']

    Raises:
        UserError: one is neither text nor missing, or not UTF-8.
    """
    return [
        "" if text is None or (isinstance(text, float) and isnan(text)) else _text(index, text)
        for index, text in enumerate(texts)
    ]


def _text(index: int, text: str | float) -> str:
    return require_utf8(text, f"The text at index {index}")  # pyright: ignore[reportArgumentType]


class MissingTexts:
    """Counts rows, and keeps the numbers of the first ones without text.

    Args:
        noun: what a row is called: row, line or text.
    """

    def __init__(self, noun: str):
        self._noun = noun
        self._rows = self._missing = 0
        self._shown: list[int] = []
        self._first = ""

    def add(self, text: str, location: str = "") -> None:
        """Count one row; `location` is where it is in its file, where its number does not say so."""
        self._rows += 1
        if has_text(text):
            return
        self._missing += 1
        self._first = self._first or location
        if len(self._shown) < SHOWN:
            self._shown.append(self._rows)

    def check(self, rule: str) -> None:
        """Make sure that a row has a text.

        Args:
            rule: what must hold, the beginning of the message.

        Raises:
            UserError: none has, or there is no row.
        """
        if self._missing == self._rows:
            got = f"{counted(self._rows, self._noun)} without text" if self._rows else "none"
            raise UserError(f"{rule} Got {got}.")

    def notes(self) -> list[str]:
        """A sentence about the rows without text, if there are any.

        >>> missing = MissingTexts("row")
        >>> for text in ("a", "", "b", " "):
        ...     missing.add(text)
        >>> missing.notes()
        ['2 of 4 rows have no text: rows 2, 4. They are kept in their positions, without an answer.']
        """
        if not self._missing:
            return []
        one = self._missing == 1
        numbers = ", ".join(f"{number:,}" for number in self._shown)
        more = f" and {self._missing - SHOWN:,} more" if self._missing > SHOWN else ""
        first = f" (the first at {self._first})" if self._first else ""
        return [
            f"{self._missing:,} of {counted(self._rows, self._noun)} {'has' if one else 'have'} no text: "
            f"{self._noun if one else f'{self._noun}s'} {numbers}{more}{first}. "
            f"{'It is kept in its position' if one else 'They are kept in their positions'}, without an "
            "answer."
        ]
