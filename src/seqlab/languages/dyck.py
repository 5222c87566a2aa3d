"""Balanced brackets of one kind or several: what is open has to be remembered."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from typing_extensions import override

from seqlab.languages import markov
from seqlab.languages.language import END, Entropy, FormalLanguage, coin
from seqlab.schema.errors import UserError

KINDS = ("()", "[]", "{}", "<>")
_CLOSES = {pair[0]: pair[1] for pair in KINDS}
_OPENS = {close: opened for opened, close in _CLOSES.items()}


@dataclass(frozen=True)
class Dyck(FormalLanguage[str]):
    """One bracket, balanced brackets in it, and its closing one: it ends where nothing is open any more.

    While something is open, another bracket opens with chance `opening`, each kind as likely, and the last
    one closes otherwise; with a greatest depth, it closes for certain there. A state is what is open.

    >>> Dyck(2, 0.4, None).is_member("([])"), Dyck(2, 0.4, None).is_member("([)]")
    (True, False)
    >>> Dyck(2, 0.4, 2).distribution("((")
    {')': 1.0}

    Raises:
        UserError: kinds are not 1 to 4, `opening` is not below 1/2 where there is no greatest depth (strings
            would be endless or have no mean length), or the depth is below 1.
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

    def start(self) -> str:
        """See `FormalLanguage`; a closing sign stands for the end, at which nothing is open again."""
        return ""

    @override
    def distribution(self, state: str) -> dict[str, float]:
        opens = [pair[0] for pair in KINDS[: self.kinds]]
        if state == "":
            return dict.fromkeys(opens, 1 / self.kinds)
        if state == END:
            return {END: 1.0}
        close = _CLOSES[state[-1]]
        if len(state) == self.max_depth or self.opening == 0:
            return {close: 1.0}
        return {**dict.fromkeys(opens, self.opening / self.kinds), close: 1 - self.opening}

    @override
    def advance(self, state: str, token: str) -> str:
        if token in _OPENS:
            return state[:-1] or END
        return state + token

    def bare(self) -> Dyck:
        """See `FormalLanguage`: one kind only."""
        return self if self.kinds == 1 else Dyck(1, self.opening, self.max_depth)

    def dressed(self, texts: list[str], random: np.random.Generator) -> list[str]:
        """See `FormalLanguage`: each pair is of a kind that is drawn."""
        if self.kinds == 1:
            return texts
        drawn = iter(random.integers(self.kinds, size=sum(map(len, texts)) // 2).tolist())
        return [_in_kinds(text, drawn) for text in texts]

    def dressing(self, bare: Entropy) -> float:
        """See `FormalLanguage`: each string has as many opening as closing signs, and its end."""
        return (bare.tokens - 1) / 2 * math.log(self.kinds)

    def outlook(self, state: str) -> int:
        """See `FormalLanguage`; kinds do not matter to lengths."""
        return -1 if state == END else len(state)

    def depth(self, state: str) -> int:
        """How many brackets are open."""
        return 0 if state == END else len(state)

    def entropy(self) -> Entropy:
        """In closed form.

        Without a greatest depth, a walk of 1 / (1 - 2p) steps is expected behind the first bracket, p
        being `opening` (Wald 1944), each of H(p) + p ln k nats, k kinds; the first bracket has ln k, the end
        is certain. With one, by the chain of depths.
        """
        p, kind = self.opening, math.log(self.kinds)
        if self.max_depth is None:
            steps = 1 / (1 - 2 * p)
            return Entropy(per_string=kind + steps * (coin(p) + p * kind), tokens=2 + steps)
        bare = markov.entropy(self.bare())
        return Entropy(per_string=bare.per_string + self.dressing(bare), tokens=bare.tokens)


def _in_kinds(text: str, drawn: Iterator[int]) -> str:
    signs, closing = [], []
    for sign in text:
        if sign == "(":
            opened, close = KINDS[next(drawn)]
            signs.append(opened)
            closing.append(close)
        else:
            signs.append(closing.pop())
    return "".join(signs)
