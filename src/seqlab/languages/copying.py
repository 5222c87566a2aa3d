"""A random word, a gap, and the same word again."""

from __future__ import annotations

import math
import string
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from typing_extensions import override

from seqlab.languages.language import END, Entropy, FormalLanguage
from seqlab.schema.errors import UserError

BLANK, MARK = "_", ":"


@dataclass(frozen=True)
class Copying(FormalLanguage[str]):
    """w, `gap` blanks, a mark, w: all words w of `length` letters are equally likely.

    A state is the prefix itself.

    >>> Copying(letters=2, length=3, gap=2).is_member("aba__:aba")
    True
    >>> Copying(letters=2, length=3, gap=2).first_error("aba__:abb")
    FirstError(position=8, token='b', allowed=('a',))

    Raises:
        UserError: `letters` is not from 1 to 26, `length` is below 1, or `gap` below 0.
    """

    length_follows_from: ClassVar[str] = "'length' and 'gap'"
    letters: int
    length: int
    gap: int

    def __post_init__(self) -> None:
        if not 1 <= self.letters <= 26:
            raise UserError(f"'letters' must be from 1 to 26. Got {self.letters}.")
        for name, value, minimum in (("length", self.length, 1), ("gap", self.gap, 0)):
            if value < minimum:
                raise UserError(f"{name!r} must be at least {minimum}. Got {value}.")

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

    @override
    def _drawn(self, count: int, random: np.random.Generator) -> list[str]:
        # Whole words: nearly every word has states of its own, so a walk over states would store them all.
        drawn = random.integers(self.letters, size=(count, self.length))
        words = ["".join(string.ascii_lowercase[letter] for letter in row) for row in drawn.tolist()]
        return [f"{word}{BLANK * self.gap}{MARK}{word}" for word in words]

    @override
    def length_class(self, state: str) -> int:
        return len(state)  # all strings have the same length

    @override
    def entropy(self) -> Entropy:
        # `length` choices among the letters; everything else is certain.
        tokens = 2 * self.length + self.gap + 2
        return Entropy(per_string=self.length * math.log(self.letters), tokens=tokens)
