"""A language restricted to strings of some lengths, with exact probabilities.

Legend: C length classes, M the maximum number of tokens.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
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

CountedState = tuple[Any, int]
"""A state of the unrestricted language, and the number of tokens before it."""


@dataclass(frozen=True)
class LengthBounded(FormalLanguage[CountedState]):
    """Strings of `min_length` to `max_length` tokens, in the proportions of the whole language.

    The end is not counted.

    With w(state, n) the probability to end at an allowed length from a state after n tokens,

        P'(token) = P(token) w(next state, n + 1) / w(state, n),    P'(end) = P(end) / w(state, n).

    >>> from seqlab.languages.dyck import Dyck
    >>> LengthBounded(Dyck(1, 7 / 16, None), 1, 4).next_token("(()")
    {')': 1.0}

    Raises:
        UserError: no string has an allowed length.
    """

    whole: FormalLanguage[Any]
    min_length: int
    max_length: int

    def __post_init__(self) -> None:
        if not 0 <= self.min_length <= self.max_length:
            raise UserError(
                f"'min_length' must be from 0 to 'max_length', {self.max_length}. Got {self.min_length}."
            )
        if self.probability_mass() == 0:
            raise UserError(
                f"A language must have strings of {self.min_length} to {self.max_length} tokens. Got none."
            )

    @property
    @override
    def alphabet(self) -> tuple[str, ...]:
        return self.whole.alphabet

    @override
    def split(self, text: str) -> list[str]:
        return self.whole.split(text)

    @override
    def join(self, tokens: Sequence[str]) -> str:
        return self.whole.join(tokens)

    @override
    def skeleton(self) -> LengthBounded:
        skeleton = self.whole.skeleton()
        return self if skeleton is self.whole else LengthBounded(skeleton, self.min_length, self.max_length)

    @override
    def fill(self, skeletons: list[str], random: np.random.Generator) -> list[str]:
        return self.whole.fill(skeletons, random)

    @override
    def start(self) -> CountedState:
        return self.whole.start(), 0

    @override
    def distribution(self, state: CountedState) -> dict[str, float]:
        inner, before = state
        weighted = {}
        for token, probability in self.whole.distribution(inner).items():
            if token == END:
                weight = float(before >= self.min_length)
            else:
                weight = self._ends_in_bounds(self.whole.advance(inner, token), before + 1)
            if weight > 0:
                weighted[token] = probability * weight
        # The sum is w(state, n), computed from the same rounded weights, so that the quotients sum to 1.
        total = sum(weighted.values())
        return {token: weight / total for token, weight in weighted.items()}

    @override
    def advance(self, state: CountedState, token: str) -> CountedState:
        return self.whole.advance(state[0], token), state[1] + 1

    @override
    def length_class(self, state: CountedState) -> Hashable:
        return self.whole.length_class(state[0]), state[1]

    @override
    def depth(self, state: CountedState) -> int | None:
        return self.whole.depth(state[0])

    @override
    def fill_entropy(self, skeleton: Entropy) -> float:
        return self.whole.fill_entropy(skeleton)

    @override
    def entropy(self) -> Entropy:
        # Over the skeleton, which has far fewer states: k kinds of brackets alone multiply them by k^depth.
        skeleton = markov.entropy(self.skeleton())
        return Entropy(per_string=skeleton.per_string + self.fill_entropy(skeleton), tokens=skeleton.tokens)

    def probability_mass(self) -> float:
        """The probability that a string of the whole language has an allowed length."""
        return self._ends_in_bounds(self.whole.start(), 0)

    def _ends_in_bounds(self, state: Any, before: int) -> float:
        """w: the probability to end at an allowed length from a state of the whole language."""
        index = self._classes.indices.get(self.whole.length_class(state))
        # Classes beyond M tokens are not indexed: no allowed string reaches them.
        return 0.0 if index is None or before > self.max_length else float(self._weights[before, index])

    @cached_property
    def _classes(self) -> _LengthClasses:
        return _length_classes(self.whole, self.max_length)

    @cached_property
    def _weights(self) -> NDArray[np.float64]:
        """(M+1, C): after n tokens, the probability to end at an allowed length."""
        ends_after = [self._classes.ending]
        for _ in range(self.max_length):
            ends_after.append(self._classes.transitions @ ends_after[-1])
        table = np.stack(ends_after)
        # Each window is summed by itself. Differences of cumulative sums would be faster, but cancel all
        # digits where ends become rare, at great lengths.
        return np.stack(
            [
                table[max(0, self.min_length - before) : self.max_length - before + 1].sum(axis=0)
                for before in range(self.max_length + 1)
            ]
        )


@dataclass(frozen=True)
class _LengthClasses:
    """The length classes as a Markov chain: (C, C) probabilities between them, (C,) of ending at once."""

    indices: dict[Hashable, int]
    transitions: csc_matrix
    ending: NDArray[np.float64]


def _length_classes(language: FormalLanguage[Any], steps: int) -> _LengthClasses:
    """The classes that can be reached within a number of steps, found breadth first.

    One state represents its class: what is computed from the chain is the distribution of the remaining
    length, which all states of a class share.
    """
    first = language.start()
    indices: dict[Hashable, int] = {language.length_class(first): 0}
    frontier, ending = [first], dict[int, float]()
    rows, columns, probabilities = list[int](), list[int](), list[float]()
    for _ in range(steps + 1):
        reached = []
        for state in frontier:
            index = indices[language.length_class(state)]
            for token, probability in language.distribution(state).items():
                if token == END:
                    ending[index] = probability
                    continue
                target = language.advance(state, token)
                target_class = language.length_class(target)
                if target_class not in indices:
                    indices[target_class] = len(indices)
                    reached.append(target)
                rows.append(index)
                columns.append(indices[target_class])
                probabilities.append(probability)
        frontier = reached
    size = len(indices)
    # Several tokens may lead from one class to another; csc_matrix adds their probabilities.
    transitions = csc_matrix((probabilities, (rows, columns)), shape=(size, size))
    return _LengthClasses(indices, transitions, np.array([ending.get(index, 0.0) for index in range(size)]))
