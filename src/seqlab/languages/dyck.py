"""Balanced brackets of one kind or several: a model must remember which brackets are open."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from typing_extensions import override

from seqlab.languages import markov
from seqlab.languages.language import END, Entropy, FormalLanguage, binary_entropy
from seqlab.schema.errors import UserError

KINDS = ("()", "[]", "{}", "<>")
_CLOSES = {pair[0]: pair[1] for pair in KINDS}
_OPENS = {closing: opening for opening, closing in _CLOSES.items()}


@dataclass(frozen=True)
class Dyck(FormalLanguage[str]):
    """One pair of brackets around balanced brackets: a string ends as soon as no bracket is open.

    While a bracket is open, another one opens with probability `opening`, each kind equally likely;
    otherwise the last one closes. At the maximum depth it closes with certainty. A state is the string of
    open brackets.

    >>> Dyck(2, 0.4, None).is_member("([])"), Dyck(2, 0.4, None).is_member("([)]")
    (True, False)
    >>> Dyck(2, 0.4, 2).distribution("((")
    {')': 1.0}

    Raises:
        UserError: `kinds` is not from 1 to 4; `opening` is not below 1/2 although there is no maximum depth
            (strings would be infinite or have no mean length); or `max_depth` is below 1.
    """

    kinds: int
    opening: float
    max_depth: int | None

    def __post_init__(self) -> None:
        if not 1 <= self.kinds <= len(KINDS):
            raise UserError(f"'kinds' must be from 1 to {len(KINDS)}. Got {self.kinds}.")
        if self.max_depth is not None and self.max_depth < 1:
            raise UserError(f"'max_depth' must be at least 1. Got {self.max_depth}. Nearest: 1.")
        if not 0 <= self.opening < (0.5 if self.max_depth is None else 1.0):
            raise UserError(
                f"'opening' must be from 0 to below {'1/2' if self.max_depth is None else '1'}, so that "
                f"strings have a mean length. Got {self.opening}."
            )

    @property
    @override
    def alphabet(self) -> tuple[str, ...]:
        return tuple("".join(KINDS[: self.kinds]))

    @override
    def start(self) -> str:
        # Nothing is open at the end either, where no bracket may follow: that state is END instead.
        return ""

    @override
    def distribution(self, state: str) -> dict[str, float]:
        opens = [pair[0] for pair in KINDS[: self.kinds]]
        if state == "":
            return dict.fromkeys(opens, 1 / self.kinds)
        if state == END:
            return {END: 1.0}
        closing = _CLOSES[state[-1]]
        if len(state) == self.max_depth or self.opening == 0:
            return {closing: 1.0}
        return {**dict.fromkeys(opens, self.opening / self.kinds), closing: 1 - self.opening}

    @override
    def advance(self, state: str, token: str) -> str:
        if token in _OPENS:
            return state[:-1] or END
        return state + token

    @override
    def skeleton(self) -> Dyck:
        return self if self.kinds == 1 else Dyck(1, self.opening, self.max_depth)

    @override
    def fill(self, skeletons: list[str], random: np.random.Generator) -> list[str]:
        if self.kinds == 1:
            return skeletons
        kinds = iter(random.integers(self.kinds, size=sum(map(len, skeletons)) // 2).tolist())
        return [_with_kinds(skeleton, kinds) for skeleton in skeletons]

    @override
    def fill_entropy(self, skeleton: Entropy) -> float:
        # One kind per pair; the end is a token of the entropy, but no bracket.
        return (skeleton.tokens - 1) / 2 * math.log(self.kinds)

    @override
    def length_class(self, state: str) -> int:
        # Kinds do not matter; the end must differ from the start, where nothing is open either.
        return -1 if state == END else len(state)

    @override
    def depth(self, state: str) -> int:
        return 0 if state == END else len(state)

    @override
    def entropy(self) -> Entropy:
        """In closed form.

        Without a maximum depth, a walk of 1 / (1 - 2p) steps is expected after the first bracket, where p is
        `opening` (Wald 1944). Each step costs H(p) + p ln k nats for k kinds; the first bracket costs ln k,
        and the end is certain. With a maximum depth, the Markov chain of depths is solved.
        """
        p, kind = self.opening, math.log(self.kinds)
        if self.max_depth is None:
            steps = 1 / (1 - 2 * p)
            return Entropy(per_string=kind + steps * (binary_entropy(p) + p * kind), tokens=2 + steps)
        skeleton = markov.entropy(self.skeleton())
        return Entropy(per_string=skeleton.per_string + self.fill_entropy(skeleton), tokens=skeleton.tokens)


def _with_kinds(skeleton: str, kinds: Iterator[int]) -> str:
    """A string of round brackets with the next kind for each pair."""
    brackets, closing = [], []
    for bracket in skeleton:
        if bracket == "(":
            opened, close = KINDS[next(kinds)]
            brackets.append(opened)
            closing.append(close)
        else:
            brackets.append(closing.pop())
    return "".join(brackets)
