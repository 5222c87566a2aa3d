"""The contract of a formal language: a distribution over strings of tokens that is known exactly."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from seqlab.schema.errors import UserError

END = ".end"
"""Stands for the end of a string in a distribution of what comes next."""
State = TypeVar("State", bound=Hashable)


@dataclass(frozen=True)
class Wrong:
    """The first token of a string that cannot stand there: its place from 0, and what could have stood.

    `token` is `END` where the string ended too early.
    """

    place: int
    token: str
    allowed: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Entropy:
    """What a string costs on average under its own distribution, in nats, and its tokens, the end being one.

    error: standard error of `per_string` where it is a mean over `strings` drawn ones; both 0 where it is
        in closed form.
    """

    per_string: float
    tokens: float
    error: float = 0.0
    strings: int = 0

    @property
    def per_token(self) -> float:
        """Nats per token of endless samples."""
        return self.per_string / self.tokens


def coin(p: float) -> float:
    """Nats of a choice between two, one of them with chance p."""
    return -sum(chance * math.log(chance) for chance in (p, 1 - p) if chance > 0)


class FormalLanguage(ABC, Generic[State]):
    """A seeded source of strings, and the exact chance of everything it may write.

    A prefix leads to a state, from which the distribution of the next token follows; that of a string is
    the product along its tokens, its end included. Subclasses give the first state, the distribution behind
    a state, and the state behind one more token.
    """

    separator: ClassVar[str] = ""
    """Stands between the tokens of a written string."""

    @property
    @abstractmethod
    def alphabet(self) -> tuple[str, ...]:
        """Every token that a string may hold."""

    @abstractmethod
    def start(self) -> State:
        """Before the first token."""

    @abstractmethod
    def distribution(self, state: State) -> Mapping[str, float]:
        """Chances above 0 of what comes next, `END` among them where a string may end; they sum to 1."""

    @abstractmethod
    def advance(self, state: State, token: str) -> State:
        """Behind one more token, which is one of `distribution(state)` and not `END`."""

    @abstractmethod
    def entropy(self) -> Entropy:
        """Nats and tokens per string: in closed form, or where that is not known a mean over many strings."""

    def outlook(self, state: State) -> Hashable:
        """Equal for states behind which strings have the same distribution of lengths."""
        return state

    def depth(self, state: State) -> int | None:
        """How much is open in a state, where the language has such a thing."""
        return None

    def draw(self, count: int, random: np.random.Generator) -> list[str]:
        """So many written strings; more of them begin with the same ones."""
        from seqlab.languages.explorer import Explorer

        (dressing,) = random.spawn(1)
        return self.dressed(Explorer(self.bare()).draw(count, random), dressing)

    def bare(self) -> FormalLanguage[Any]:
        """A language with fewer states whose strings, `dressed`, are strings of this one."""
        return self

    def dressed(self, texts: list[str], random: np.random.Generator) -> list[str]:
        """Strings of the bare language as strings of this one, what is not in them being drawn."""
        return texts

    def dressing(self, bare: Entropy) -> float:
        """Nats per string of what `dressed` draws, given the entropy of the bare strings."""
        return 0.0

    def split(self, text: str) -> list[str]:
        """A written string as tokens."""
        return text.split(self.separator) if self.separator and text else list(text)

    def join(self, tokens: Sequence[str]) -> str:
        """Tokens as a written string."""
        return self.separator.join(tokens)

    def next_token(self, prefix: str) -> Mapping[str, float]:
        """What may stand behind a written prefix, with its probabilities.

        Raises:
            UserError: no string begins so; what may stand in place of its first wrong token is named.
        """
        states = list(self._states(self.split(prefix)))
        if len(states) <= len(self.split(prefix)):
            raise UserError(self._no_prefix(prefix, states))
        return self.distribution(states[-1])

    def is_prefix(self, text: str) -> bool:
        """Whether a string begins so."""
        tokens = self.split(text)
        return len(list(self._states(tokens))) == len(tokens) + 1

    def is_member(self, text: str) -> bool:
        """Whether the written string is one of the language's."""
        return self.wrong(text) is None

    def wrong(self, text: str) -> Wrong | None:
        """Where a string first leaves the language; None where it is one of its own.

        Raises nothing: what is no token of the language is wrong, too.
        """
        tokens = [*self.split(text), END]
        for place, state in enumerate(self._states(tokens[:-1])):
            probabilities = self.distribution(state)
            if tokens[place] not in probabilities:
                return Wrong(place, tokens[place], tuple(sorted(probabilities)))
        return None

    def nats(self, text: str) -> float:
        """-log of a string's exact chance, its end included; infinite for what is never drawn."""
        tokens, total = [*self.split(text), END], 0.0
        for place, state in enumerate(self._states(tokens[:-1])):
            chance = self.distribution(state).get(tokens[place], 0.0)
            if chance == 0.0:
                return math.inf
            total -= math.log(chance)
        return total

    def _states(self, tokens: Sequence[str]) -> Iterator[State]:
        """Before the first token and behind each one, up to the first that cannot stand there."""
        state = self.start()
        yield state
        for token in tokens:
            if token == END or token not in self.distribution(state):
                return
            state = self.advance(state, token)
            yield state

    def _no_prefix(self, text: str, states: Sequence[State]) -> str:
        right = self.split(text)[: len(states) - 1]
        allowed = ", ".join(repr(token) for token in sorted(self.distribution(states[-1])))
        return (
            f"A prefix must be the beginning of a string of the language. Got {text!r}: behind "
            f"{self.join(right)!r} may stand {allowed}."
        )
