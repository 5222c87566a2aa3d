"""The states of a language, numbered as they are reached, with their distributions as rows of an array.

Legend: S states reached so far, V tokens of the alphabet (column V is the end), T tokens of a string.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

CHUNK = 8192
"""Strings drawn together where they are short."""
SHORT = 128
"""Tokens that the strings of a language may have on average to be short."""
FEW = 4
"""Strings drawn together first where they are long."""
WRONG = -1
"""The number of the state after an impossible token."""
_UNKNOWN = -2
"""The number of a state that has not been computed yet."""

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


class StateMachine(Protocol):
    """What is needed of a language; see `FormalLanguage`, whose members these are."""

    separator: ClassVar[str]

    @property
    def alphabet(self) -> tuple[str, ...]:
        """Every token."""
        ...

    @property
    def mean_tokens(self) -> float:
        """Expected tokens of a string, without its end."""
        ...

    def start(self) -> Any:
        """The state before the first token."""
        ...

    def distribution(self, state: Any) -> Mapping[str, float]:
        """Probabilities of the next token."""
        ...

    def advance(self, state: Any, token: str) -> Any:
        """The state after one more token."""
        ...

    def length_class(self, state: Any) -> Hashable:
        """Equal for states from which the remaining length has the same distribution."""
        ...

    def join(self, tokens: Sequence[str]) -> str:
        """The string of tokens."""
        ...

    def split(self, text: str) -> list[str]:
        """The tokens of a text."""
        ...


def chunk_sizes(mean_tokens: float) -> Iterator[int]:
    """How many strings are drawn together, one chunk after the other.

    Long strings come in few at first, so that few of them cost little. The sizes depend on the language
    alone, so that a larger draw begins with the strings of a smaller one.
    """
    if mean_tokens <= SHORT:
        yield from itertools.repeat(CHUNK)
    most, size = max(FEW, int(CHUNK * SHORT / mean_tokens)), FEW
    while True:
        yield size
        size = min(2 * size, most)


class Explorer:
    """Numbers a language's states from 0, the start, and stores distributions and transitions.

    A language computes states as Python objects. Here each state is computed once; walking known strings and
    drawing many in parallel are then lookups in arrays. States are numbered in the order in which they are
    reached, so numbers are meaningful only within one explorer.
    """

    def __init__(self, language: StateMachine):
        self.language = language
        self.columns = {token: column for column, token in enumerate(language.alphabet)}
        self.end = len(self.columns)
        self._numbers: dict[Hashable, int] = {}
        self._states: list[Any] = []
        # All have more rows than states: rows are added by doubling, as a list grows.
        self._probabilities = np.zeros((16, self.end + 1))
        self._next = np.full((16, self.end + 1), _UNKNOWN)
        self._cumulative, self._summed = np.zeros((16, self.end + 1)), 0
        self._number(language.start())

    @property
    def probabilities(self) -> Floats:
        """(S, V+1): the distribution of the next token in each state."""
        return self._probabilities[: len(self._states)]

    def state(self, number: int) -> Any:
        """The language's own state with this number."""
        return self._states[number]

    def walk(self, tokens: Sequence[str]) -> Integers:
        """(T+1,) states before the first token and after each one, `WRONG` once a token was impossible."""
        path, state = np.full(len(tokens) + 1, WRONG), 0
        path[0] = 0
        for position, token in enumerate(tokens, start=1):
            column = self.columns.get(token)
            state = WRONG if column is None else self._step(state, column)
            if state == WRONG:
                break
            path[position] = state
        return path

    def successors(self, number: int) -> list[tuple[float, int]]:
        """Every state that may come next, with the probability of the token that leads to it."""
        row = self._probabilities[number]
        columns = np.flatnonzero(row[: self.end]).tolist()
        return [(float(row[column]), self._step(number, column)) for column in columns]

    def draw(self, count: int, random: np.random.Generator) -> list[str]:
        """Random strings; a larger count begins with the strings of a smaller one."""
        texts: list[str] = []
        for size in chunk_sizes(self.language.mean_tokens):
            if len(texts) >= count:
                break
            texts += self._draw_chunk(size, random)
        return texts[:count]

    def _draw_chunk(self, size: int, random: np.random.Generator) -> list[str]:
        """Strings in parallel, one token of each unfinished string per step."""
        rows, states = np.arange(size), np.zeros(size, dtype=np.int64)
        lengths, steps = np.zeros(size, dtype=np.int64), []
        while len(rows):
            columns = self._pick(states, random.random(len(rows)))
            unfinished = columns != self.end
            rows, states, columns = rows[unfinished], states[unfinished], columns[unfinished]
            lengths[rows] += 1
            steps.append((rows, columns))
            states = self._steps(states, columns)
        return self._joined(lengths, steps)

    def _pick(self, states: Integers, draws: Floats) -> Integers:
        """The first column whose cumulative probability exceeds the draw."""
        known, reached = self._summed, len(self._states)
        if known < reached:
            if len(self._cumulative) < len(self._probabilities):
                self._cumulative = np.resize(self._cumulative, self._probabilities.shape)
            sums = np.cumsum(self._probabilities[known:reached], axis=1)
            # Rounding must not leave a sum just below 1, or a draw above it would select no column.
            self._cumulative[known:reached] = sums / sums[:, -1:]
            self._summed = reached
        return (self._cumulative[states] <= draws[:, None]).sum(axis=1)

    def _steps(self, states: Integers, columns: Integers) -> Integers:
        """The next state of each string; each pair of state and token is computed once for all strings."""
        targets = self._next[states, columns]
        new = targets == _UNKNOWN
        if new.any():
            for state, column in np.unique(np.stack([states[new], columns[new]], axis=1), axis=0).tolist():
                self._step(state, column)
            targets = self._next[states, columns]
        return targets

    def _joined(self, lengths: Integers, steps: Sequence[tuple[Integers, Integers]]) -> list[str]:
        """The strings from their tokens per step."""
        begins = np.concatenate([[0], np.cumsum(lengths)])
        flat = np.empty(begins[-1], dtype=np.int64)
        for position, (rows, columns) in enumerate(steps):
            flat[begins[rows] + position] = columns
        alphabet, bounds = self.language.alphabet, begins.tolist()
        # Joining all characters once and slicing is much faster than joining each string.
        if all(len(token) == 1 for token in alphabet) and not self.language.separator:
            text = "".join(np.array(alphabet, dtype="U1")[flat].tolist()) if len(flat) else ""
            return [text[begin:end] for begin, end in itertools.pairwise(bounds)]
        tokens = [alphabet[column] for column in flat.tolist()]
        return [self.language.join(tokens[begin:end]) for begin, end in itertools.pairwise(bounds)]

    def _step(self, number: int, column: int) -> int:
        """The state after one more token."""
        target = int(self._next[number, column])
        if target == _UNKNOWN:
            if self._probabilities[number, column] == 0.0:
                target = WRONG
            else:
                state = self.language.advance(self._states[number], self.language.alphabet[column])
                target = self._number(state)
            self._next[number, column] = target
        return target

    def _number(self, state: Any) -> int:
        """The number of a state; a new one gets the next number and its row of probabilities."""
        number = self._numbers.get(state)
        if number is None:
            number = self._numbers[state] = len(self._states)
            self._states.append(state)
            if number == len(self._probabilities):
                self._probabilities = np.concatenate(
                    [self._probabilities, np.zeros_like(self._probabilities)]
                )
                self._next = np.concatenate([self._next, np.full_like(self._next, _UNKNOWN)])
            for token, probability in self.language.distribution(state).items():
                self._probabilities[number, self.columns.get(token, self.end)] = probability
        return number
