"""The protocol of a formal language: an exactly known probability distribution over strings of tokens."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from seqlab.languages.explorer import Explorer
from seqlab.languages.length_table import Floats, lengths_from
from seqlab.schema.errors import UserError

END = ".end"
"""The end of a string, as an outcome of the distribution of the next token."""
MAX_MEAN_TOKENS = 100_000
"""Mean number of tokens of a string above which none is drawn: strings would be practically endless."""
NO_MEAN = 1e12
"""A mean above which solutions of linear systems are rounding errors."""
State = TypeVar("State", bound=Hashable)


@dataclass(frozen=True)
class FirstError:
    """The first token of a string that cannot occur there: its position from 0, and the tokens that can.

    `token` is `END` if the string ends too early.
    """

    position: int
    token: str
    allowed: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Entropy:
    """Expected nats of a string under its own distribution, and its expected tokens, the end counted as one.

    error: standard error of `per_string` if it is a mean over `strings` drawn ones; both are 0 if it is in
        closed form.
    """

    per_string: float
    tokens: float
    error: float = 0.0
    strings: int = 0

    @property
    def per_token(self) -> float:
        """Nats per token in the limit of infinitely many samples."""
        return self.per_string / self.tokens


def binary_entropy(p: float) -> float:
    """Nats of a choice between two outcomes, one of them with probability p."""
    return -sum(share * math.log(share) for share in (p, 1 - p) if share > 0)


class FormalLanguage(ABC, Generic[State]):
    """A seeded source of strings with the exact probability of every string.

    A prefix determines a state, and the state determines the distribution of the next token; the probability
    of a string is the product along its tokens, including its end. Subclasses define the start state, the
    distribution in a state, and the state after one more token.

    Some languages have far more states than they need for drawing or for entropies: brackets of several kinds
    must remember every open kind. Such a language factors into a `skeleton`, a language with few states (the
    same brackets of one kind), and a `fill`, which draws what the skeleton leaves open (the kinds).
    """

    separator: ClassVar[str] = ""
    """Written between the tokens of a string."""
    length_follows_from: ClassVar[str] = "the settings of the language"
    """What decides how long strings are, as an error names it."""

    @property
    @abstractmethod
    def alphabet(self) -> tuple[str, ...]:
        """Every token that a string may contain."""

    @abstractmethod
    def start(self) -> State:
        """The state before the first token."""

    @abstractmethod
    def distribution(self, state: State) -> Mapping[str, float]:
        """Positive probabilities of the next token, including `END` where a string may end; they sum to 1."""

    @abstractmethod
    def advance(self, state: State, token: str) -> State:
        """The state after one more token, which must be in `distribution(state)` and not be `END`."""

    @abstractmethod
    def entropy(self) -> Entropy:
        """Nats and tokens per string: in closed form, or if none is known as a mean over many strings."""

    @property
    def mean_tokens(self) -> float:
        """Expected tokens of a string, without its end."""
        return self.entropy().tokens - 1

    def remaining_lengths(self, state: State, limit: int) -> Floats:
        """(limit+1,) probability that a string ends after exactly n further tokens, for n from 0."""
        return lengths_from(self, state, limit)

    def length_class(self, state: State) -> Hashable:
        """Equal for states from which the remaining length of a string has the same distribution."""
        return state

    def depth(self, state: State) -> int | None:
        """How many constituents (e.g. brackets) are open in a state; None if the language has none."""
        return None

    def draw(self, count: int, random: np.random.Generator) -> list[str]:
        """Random strings; a larger count begins with the strings of a smaller one.

        Raises:
            UserError: strings are practically endless.
        """
        self.check_mean_tokens()
        return self._drawn(count, random)

    def check_mean_tokens(self) -> None:
        """Make sure that strings can be drawn.

        Raises:
            UserError: strings have no mean length, or a practically endless one.
        """
        mean = self.mean_tokens
        if not 0 <= mean <= MAX_MEAN_TOKENS:
            found = f"{mean:,.0f}" if 0 <= mean < NO_MEAN else f"more than {NO_MEAN:,.0f}"
            raise UserError(
                f"Strings must have at most {MAX_MEAN_TOKENS:,} tokens on average, or one would be "
                f"practically endless. Got {found}, which follows from {self.length_follows_from}."
            )

    def _drawn(self, count: int, random: np.random.Generator) -> list[str]:
        """Random strings of a language whose strings are not too long."""
        # A generator of its own: otherwise the number of strings would change what they are filled with.
        (filling,) = random.spawn(1)
        return self.fill(Explorer(self.skeleton()).draw(count, random), filling)

    def skeleton(self) -> FormalLanguage[Any]:
        """A language with fewer states whose strings, after `fill`, are strings of this one."""
        return self

    def fill(self, skeletons: list[str], random: np.random.Generator) -> list[str]:
        """Strings of this language from strings of its skeleton; what those leave open is drawn."""
        return skeletons

    def fill_entropy(self, skeleton: Entropy) -> float:
        """Nats per string of what `fill` draws, given the entropy of the skeleton."""
        return 0.0

    def split(self, text: str) -> list[str]:
        """The tokens of a written string."""
        return text.split(self.separator) if self.separator and text else list(text)

    def join(self, tokens: Sequence[str]) -> str:
        """Tokens as a written string."""
        return self.separator.join(tokens)

    def next_token(self, prefix: str) -> Mapping[str, float]:
        """Probabilities of the next token after a written prefix.

        Raises:
            UserError: no string begins with this prefix; the tokens that are possible instead of its first
                wrong one are named.
        """
        return self.distribution(self.state_after(prefix))

    def state_after(self, prefix: str) -> State:
        """The state after a written prefix.

        Raises:
            UserError: as `next_token` does.
        """
        tokens = self.split(prefix)
        states = list(self._states(tokens))
        if len(states) <= len(tokens):
            raise UserError(self._not_a_prefix(prefix, states))
        return states[-1]

    def is_prefix(self, text: str) -> bool:
        """Whether some string begins with this text."""
        tokens = self.split(text)
        return len(list(self._states(tokens))) == len(tokens) + 1

    def is_member(self, text: str) -> bool:
        """Whether the written string belongs to the language."""
        return self.first_error(text) is None

    def first_error(self, text: str) -> FirstError | None:
        """Where a string first deviates from the language; None for a string of the language.

        A token outside the alphabet is an error like any other, so nothing is raised.
        """
        tokens = [*self.split(text), END]
        for position, state in enumerate(self._states(tokens[:-1])):
            probabilities = self.distribution(state)
            if tokens[position] not in probabilities:
                return FirstError(position, tokens[position], tuple(sorted(probabilities)))
        return None

    def nats(self, text: str) -> float:
        """-log of a string's exact probability, including its end; infinite for an impossible string."""
        tokens, total = [*self.split(text), END], 0.0
        for position, state in enumerate(self._states(tokens[:-1])):
            probability = self.distribution(state).get(tokens[position], 0.0)
            if probability == 0.0:
                return math.inf
            total -= math.log(probability)
        return total

    def _states(self, tokens: Sequence[str]) -> Iterator[State]:
        """The states before the first token and after each one, up to the first impossible token."""
        state = self.start()
        yield state
        for token in tokens:
            if token == END or token not in self.distribution(state):
                return
            state = self.advance(state, token)
            yield state

    def _not_a_prefix(self, text: str, states: Sequence[State]) -> str:
        correct = self.split(text)[: len(states) - 1]
        allowed = ", ".join(repr(token) for token in sorted(self.distribution(states[-1])))
        return (
            f"A prefix must be the beginning of a string of the language. Got {text!r}; after "
            f"{self.join(correct)!r} only these can follow: {allowed}."
        )
