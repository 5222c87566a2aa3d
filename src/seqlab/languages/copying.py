"""A word, a gap, and the word again."""

from __future__ import annotations

import math
import string
from dataclasses import dataclass

import numpy as np
from typing_extensions import override

from seqlab.languages.language import END, Entropy, FormalLanguage
from seqlab.schema.errors import UserError

BLANK, MARK = "_", ":"


@dataclass(frozen=True)
class Copying(FormalLanguage[str]):
    """w, `gap` blanks, a mark, w: all words w of `length` letters equally likely.

    A state is the word so far, then the whole word and how much of the rest is written, each blank as itself.

    >>> Copying(letters=2, length=3, gap=2).is_member("aba__:aba")
    True
    >>> Copying(letters=2, length=3, gap=2).wrong("aba__:abb")
    Wrong(place=8, token='b', allowed=('a',))

    Raises:
        UserError: there are not 1 to 26 letters, or `length` is below 1, or `gap` below 0.
    """

    letters: int
    length: int
    gap: int

    def __post_init__(self) -> None:
        if not 1 <= self.letters <= 26:
            raise UserError(f"'letters' must be from 1 to 26. Got {self.letters}.")
        for name, value, least in (("length", self.length, 1), ("gap", self.gap, 0)):
            if value < least:
                raise UserError(f"{name!r} must be at least {least}. Got {value}.")

    @property
    @override
    def alphabet(self) -> tuple[str, ...]:
        return (*string.ascii_lowercase[: self.letters], *[BLANK] * (self.gap > 0), MARK)

    @override
    def start(self) -> str:
        return ""

    @override
    def distribution(self, state: str) -> dict[str, float]:
        if len(state) < self.length:
            return dict.fromkeys(string.ascii_lowercase[: self.letters], 1 / self.letters)
        rest = BLANK * self.gap + MARK + state[: self.length]
        done = len(state) - self.length
        return {rest[done] if done < len(rest) else END: 1.0}

    @override
    def advance(self, state: str, token: str) -> str:
        return state + token

    def draw(self, count: int, random: np.random.Generator) -> list[str]:
        """See `FormalLanguage`: words are drawn whole, as nearly every one of them has states of its own."""
        drawn = random.integers(self.letters, size=(count, self.length))
        words = ["".join(string.ascii_lowercase[letter] for letter in row) for row in drawn.tolist()]
        return [f"{word}{BLANK * self.gap}{MARK}{word}" for word in words]

    def outlook(self, state: str) -> int:
        """See `FormalLanguage`: all strings are of one length."""
        return len(state)

    def entropy(self) -> Entropy:
        """In closed form: `length` choices among the letters; all else is certain."""
        tokens = 2 * self.length + self.gap + 2
        return Entropy(per_string=self.length * math.log(self.letters), tokens=tokens)
