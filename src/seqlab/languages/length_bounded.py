"""A language restricted to strings of some lengths, with exact probabilities.

Legend: C length classes, M the maximum number of tokens.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from typing_extensions import override

from seqlab.languages.language import END, Entropy, FormalLanguage
from seqlab.languages.length_table import Floats, LengthTable, length_table
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
        UserError: no string has an allowed length, or such strings are too rare for a float, or too long.
    """

    length_follows_from: ClassVar[str] = "'min_length' and 'max_length'"
    whole: FormalLanguage[Any]
    min_length: int
    max_length: int
    table: LengthTable | None = field(default=None, repr=False, compare=False)
    """That of the whole language up to a length not below `max_length`, to share it; None: it is computed."""

    def __post_init__(self) -> None:
        if not 0 <= self.min_length <= self.max_length:
            raise UserError(
                f"'min_length' must be from 0 to 'max_length', {self.max_length}. Got {self.min_length}."
            )
        if self.probability_mass() == 0:
            raise UserError(
                f"A language must have strings of {self.min_length} to {self.max_length} tokens. "
                "Got none that is likely enough to be drawn."
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
        """A sum over the states after each number of tokens.

        Over the skeleton, which has far fewer states: k kinds of brackets alone multiply them by k^depth.
        """
        skeleton, nats, tokens = self.skeleton(), 0.0, 0.0
        reached = {skeleton.start(): 1.0}
        while reached:
            following: dict[CountedState, float] = {}
            for state, visits in reached.items():
                for token, share in skeleton.distribution(state).items():
                    nats -= visits * share * math.log(share)
                    tokens += visits * share
                    if token != END:
                        after = skeleton.advance(state, token)
                        following[after] = following.get(after, 0.0) + visits * share
            reached = following
        found = Entropy(per_string=nats, tokens=tokens)
        return replace(found, per_string=nats + self.fill_entropy(found))

    @property
    @override
    def mean_tokens(self) -> float:
        lengths = np.arange(self.min_length, self.max_length + 1)
        probabilities = self._table.ends[lengths, 0]
        return float(probabilities @ lengths / probabilities.sum())

    @override
    def remaining_lengths(self, state: CountedState, limit: int) -> Floats:
        inner, before = state
        lengths = np.array(self.whole.remaining_lengths(inner, self.max_length - before))
        lengths[: max(0, self.min_length - before)] = 0.0
        found = np.zeros(limit + 1)
        found[: len(lengths)] = lengths[: limit + 1]
        return found / lengths.sum()

    def probability_mass(self) -> float:
        """The probability that a string of the whole language has an allowed length."""
        return self._ends_in_bounds(self.whole.start(), 0)

    def _ends_in_bounds(self, state: Any, before: int) -> float:
        """w: the probability to end at an allowed length from a state of the whole language."""
        index = self._table.indices.get(self.whole.length_class(state))
        # Classes beyond M tokens are not indexed: no allowed string reaches them.
        return 0.0 if index is None or before > self.max_length else float(self._weights[before, index])

    @cached_property
    def _table(self) -> LengthTable:
        return self.table or length_table(self.whole, self.whole.start(), self.max_length)

    @cached_property
    def _weights(self) -> Floats:
        """(M+1, C): after n tokens, the probability to end at an allowed length."""
        ends, longest = self._table.ends, self.max_length
        # While strings are too short to end, each window is summed by itself. Differences of cumulative sums
        # would be faster, but cancel all digits where ends become rare, at great lengths.
        short = [ends[self.min_length - n : longest - n + 1].sum(axis=0) for n in range(self.min_length)]
        others = np.cumsum(ends[: longest - self.min_length + 1], axis=0)[::-1]
        return np.concatenate([np.reshape(short, (len(short), ends.shape[1])), others])
