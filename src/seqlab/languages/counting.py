"""Languages that count: a^n b^n, which needs one counter, and a^n b^n c^n, which is not context-free."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import override

from seqlab.languages.language import END, Entropy, FormalLanguage, binary_entropy
from seqlab.schema.errors import UserError

_GROWING = -1
"""What a state has as the number of remaining tokens while n still grows."""


@dataclass(frozen=True)
class Counting(FormalLanguage[tuple[int, int]]):
    """n times `a`, then n times each further letter; n is at least 1 and geometric.

    After each `a`, the next letter begins with probability `stop`. A state is n and the number of remaining
    tokens, -1 while n still grows.

    >>> Counting(2, 0.1).is_member("aabb"), Counting(3, 0.1).is_member("aabbc")
    (True, False)

    Raises:
        UserError: `letters` is not from 2 to 4, or `stop` is not above 0 and at most 1.
    """

    length_follows_from: ClassVar[str] = "'stop'"
    letters: int
    stop: float

    def __post_init__(self) -> None:
        if not 2 <= self.letters <= 4:
            raise UserError(f"'letters' must be from 2 to 4. Got {self.letters}.")
        if not 0 < self.stop <= 1:
            raise UserError(f"'stop' must be above 0 and at most 1. Got {self.stop}.")

    @property
    @override
    def alphabet(self) -> tuple[str, ...]:
        return tuple("abcd"[: self.letters])

    @override
    def start(self) -> tuple[int, int]:
        return 0, _GROWING

    @override
    def distribution(self, state: tuple[int, int]) -> dict[str, float]:
        count, remaining = state
        if remaining == 0:
            return {END: 1.0}
        if remaining > 0:
            return {self.alphabet[self.letters - math.ceil(remaining / count)]: 1.0}
        if count == 0:
            return {"a": 1.0}
        return {"a": 1 - self.stop, "b": self.stop} if self.stop < 1 else {"b": 1.0}

    @override
    def advance(self, state: tuple[int, int], token: str) -> tuple[int, int]:
        count, remaining = state
        if remaining != _GROWING:
            return count, remaining - 1
        return (count + 1, _GROWING) if token == "a" else (count, (self.letters - 1) * count - 1)

    @override
    def length_class(self, state: tuple[int, int]) -> Hashable:
        # Once n is known, so is the remaining length.
        return state if state[1] == _GROWING else state[1]

    @override
    def entropy(self) -> Entropy:
        # 1/stop choices of H(stop) nats are expected; everything else is certain.
        p = self.stop
        return Entropy(per_string=binary_entropy(p) / p, tokens=self.letters / p + 1)
