"""Balanced brackets of one kind or several: a model must remember which brackets are open."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from typing_extensions import override

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

    length_follows_from: ClassVar[str] = "'opening' and 'max_depth'"
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

        While a bracket is open, p / q further ones of the next depth open in it, where p is `opening` and
        q = 1 - p; so (p/q)^d pairs have d open brackets before them (a branching process; Wald 1944 for the
        sum without a maximum depth). Each choice costs H(p) nats, and there are 1/q of them for each pair
        that is not at the maximum depth; each pair costs ln k for k kinds; everything else is certain.
        """
        p = self.opening
        if self.max_depth is None:
            pairs = (1 - p) / (1 - 2 * p)
            choices = 1 / (1 - 2 * p)
        else:
            pairs = _geometric_sum(p / (1 - p), self.max_depth)
            choices = _geometric_sum(p / (1 - p), self.max_depth - 1) / (1 - p)
        nats = choices * binary_entropy(p) + pairs * math.log(self.kinds)
        return Entropy(per_string=nats, tokens=2 * pairs + 1)


def _geometric_sum(ratio: float, terms: int) -> float:
    """1 + r + r^2 + ...; infinite where it is too large for a float."""
    if ratio == 1:
        return float(terms)
    try:
        return math.expm1(terms * math.log(ratio)) / (ratio - 1) if ratio > 0 else float(terms > 0)
    except OverflowError:
        return math.inf


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
