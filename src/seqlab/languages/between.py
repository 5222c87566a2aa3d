"""A language kept to strings of some lengths, as exact as before. Legend: O outlooks, M tokens to come."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_matrix
from typing_extensions import override

from seqlab.languages import markov
from seqlab.languages.language import END, Entropy, FormalLanguage
from seqlab.schema.errors import UserError

Place = tuple[Any, int]
"""A state of the language, and the tokens behind it."""


@dataclass(frozen=True)
class Between(FormalLanguage[Place]):
    """The strings of `least` to `most` tokens (the end not counted), likelier by as much as the others go.

    From a state with n tokens behind it, with w the chance to end at an allowed length from there,

        P'(token) = P(token) w(behind, n + 1) / w(state, n),    P'(end) = P(end) / w(state, n).

    >>> from seqlab.languages.dyck import Dyck
    >>> Between(Dyck(1, 7 / 16, None), 1, 4).next_token("(()")
    {')': 1.0}

    Raises:
        UserError: no string has such a length.
    """

    inner: FormalLanguage[Any]
    least: int
    most: int

    def __post_init__(self) -> None:
        if not 0 <= self.least <= self.most:
            raise UserError(f"'least' must be from 0 to 'most', {self.most}. Got {self.least}.")
        if self._within(self.inner.start(), 0) == 0:
            raise UserError(f"A language must have strings of {self.least} to {self.most} tokens. Got none.")

    @property
    @override
    def alphabet(self) -> tuple[str, ...]:
        return self.inner.alphabet

    @override
    def split(self, text: str) -> list[str]:
        return self.inner.split(text)

    @override
    def join(self, tokens: Any) -> str:
        return self.inner.join(tokens)

    @override
    def bare(self) -> Between:
        inner = self.inner.bare()
        return self if inner is self.inner else Between(inner, self.least, self.most)

    @override
    def dressed(self, texts: list[str], random: np.random.Generator) -> list[str]:
        return self.inner.dressed(texts, random)

    @override
    def start(self) -> Place:
        return self.inner.start(), 0

    @override
    def distribution(self, state: Place) -> dict[str, float]:
        inner, behind = state
        found = {}
        for token, chance in self.inner.distribution(inner).items():
            if token == END:
                weight = float(behind >= self.least)
            else:
                weight = self._within(self.inner.advance(inner, token), behind + 1)
            if weight > 0:
                found[token] = chance * weight
        total = sum(found.values())
        return {token: chance / total for token, chance in found.items()}

    @override
    def advance(self, state: Place, token: str) -> Place:
        return self.inner.advance(state[0], token), state[1] + 1

    @override
    def outlook(self, state: Place) -> Hashable:
        return self.inner.outlook(state[0]), state[1]

    @override
    def depth(self, state: Place) -> int | None:
        return self.inner.depth(state[0])

    @override
    def dressing(self, bare: Entropy) -> float:
        return self.inner.dressing(bare)

    def entropy(self) -> Entropy:
        """In closed form; see `markov.entropy`. Bare strings have far fewer states."""
        bare = markov.entropy(self.bare())
        return Entropy(per_string=bare.per_string + self.dressing(bare), tokens=bare.tokens)

    def share(self) -> float:
        """Of the inner language's strings, those that are kept."""
        return self._within(self.inner.start(), 0)

    def _within(self, inner: Any, behind: int) -> float:
        """The chance to end between `least` and `most` tokens from a state with so many behind it."""
        place = self._chain[0].get(self.inner.outlook(inner))
        return 0.0 if place is None or behind > self.most else float(self._ending[behind, place])

    @cached_property
    def _chain(self) -> tuple[dict[Hashable, int], csc_matrix, NDArray[np.float64]]:
        """Outlooks by number, (O, O) chances between them, (O,) chances to end at once."""
        first = self.inner.start()
        numbers: dict[Hashable, int] = {self.inner.outlook(first): 0}
        frontier, ends = [first], dict[int, float]()
        rows, columns, probabilities = list[int](), list[int](), list[float]()
        for _ in range(self.most + 1):
            reached = []
            for state in frontier:
                number = numbers[self.inner.outlook(state)]
                for token, chance in self.inner.distribution(state).items():
                    if token == END:
                        ends[number] = chance
                        continue
                    behind = self.inner.advance(state, token)
                    outlook = self.inner.outlook(behind)
                    if outlook not in numbers:
                        numbers[outlook] = len(numbers)
                        reached.append(behind)
                    rows.append(number)
                    columns.append(numbers[outlook])
                    probabilities.append(chance)
            frontier = reached
        size = len(numbers)
        ending = np.array([ends.get(number, 0.0) for number in range(size)])
        return numbers, csc_matrix((probabilities, (rows, columns)), shape=(size, size)), ending

    @cached_property
    def _ending(self) -> NDArray[np.float64]:
        """(M+1, O): with so many tokens behind it, the chance to end at an allowed length."""
        _, passes, ending = self._chain
        exactly = [ending]
        for _ in range(self.most):
            exactly.append(passes @ exactly[-1])
        table = np.stack(exactly)
        # Sums of what is there, not differences of sums, which would lose all digits far out.
        return np.stack(
            [
                table[max(0, self.least - behind) : self.most - behind + 1].sum(axis=0)
                for behind in range(self.most + 1)
            ]
        )
