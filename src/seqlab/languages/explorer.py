"""A language walked through: its states numbered as they are met, their distributions as rows of an array.

Legend: S states met so far, V tokens of the alphabet; column V is the end.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqlab.languages.language import FormalLanguage

CHUNK = 8192
"""Strings that are drawn side by side; always as many, so that more of them begin with the same ones."""
WRONG = -1
"""The number of the state behind a token that cannot stand there."""
_UNKNOWN = -2

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


class Explorer:
    """Numbers a language's states, the first one 0, and remembers what was met."""

    def __init__(self, language: FormalLanguage[Any]):
        self.language = language
        self.columns = {token: column for column, token in enumerate(language.alphabet)}
        self.end = len(self.columns)
        self._numbers: dict[Hashable, int] = {}
        self._states: list[Any] = []
        self._chances = np.zeros((16, self.end + 1))
        self._next = np.full((16, self.end + 1), _UNKNOWN)
        self._cumulative = np.zeros((0, self.end + 1))
        self._number(language.start())

    @property
    def probabilities(self) -> Floats:
        """(S, V+1): what stands behind each state."""
        return self._chances[: len(self._states)]

    def state(self, number: int) -> Any:
        """The language's own state of this number."""
        return self._states[number]

    def walk(self, tokens: Sequence[str]) -> Integers:
        """(T+1,) states before the first token and behind each; `WRONG` behind what cannot stand there."""
        path, here = np.full(len(tokens) + 1, WRONG), 0
        path[0] = 0
        for place, token in enumerate(tokens, start=1):
            column = self.columns.get(token)
            here = WRONG if column is None else self._step(here, column)
            if here == WRONG:
                break
            path[place] = here
        return path

    def successors(self, number: int) -> list[tuple[float, int]]:
        """Every state that may follow, with its chance."""
        row = self._chances[number]
        columns = np.flatnonzero(row[: self.end]).tolist()
        return [(float(row[column]), self._step(number, column)) for column in columns]

    def draw(self, count: int, random: np.random.Generator) -> list[str]:
        """So many written strings; more of them begin with the same ones."""
        texts: list[str] = []
        while len(texts) < count:
            texts += self._draw_chunk(random)
        return texts[:count]

    def _draw_chunk(self, random: np.random.Generator) -> list[str]:
        live, here = np.arange(CHUNK), np.zeros(CHUNK, dtype=np.int64)
        lengths, steps = np.zeros(CHUNK, dtype=np.int64), []
        while len(live):
            column = self._pick(here, random.random(len(live)))
            going = column != self.end
            live, here, column = live[going], here[going], column[going]
            lengths[live] += 1
            steps.append((live, column))
            here = self._steps(here, column)
        return self._written(lengths, steps)

    def _pick(self, here: Integers, draws: Floats) -> Integers:
        """The first column whose cumulative chance is above the draw."""
        if len(self._cumulative) < len(self._states):
            cumulative = np.cumsum(self.probabilities, axis=1)
            # A draw just below 1 must not fall behind the last column that has a chance.
            self._cumulative = cumulative / cumulative[:, -1:]
        return (self._cumulative[here] <= draws[:, None]).sum(axis=1)

    def _steps(self, here: Integers, column: Integers) -> Integers:
        behind = self._next[here, column]
        new = behind == _UNKNOWN
        if new.any():
            for state, token in np.unique(np.stack([here[new], column[new]], axis=1), axis=0).tolist():
                self._step(state, token)
            behind = self._next[here, column]
        return behind

    def _written(self, lengths: Integers, steps: Sequence[tuple[Integers, Integers]]) -> list[str]:
        begins = np.concatenate([[0], np.cumsum(lengths)])
        flat = np.empty(begins[-1], dtype=np.int64)
        for place, (rows, columns) in enumerate(steps):
            flat[begins[rows] + place] = columns
        alphabet, bounds = self.language.alphabet, begins.tolist()
        if all(len(token) == 1 for token in alphabet) and not self.language.separator:
            text = "".join(np.array(alphabet, dtype="U1")[flat].tolist()) if len(flat) else ""
            return [text[begin:end] for begin, end in pairwise(bounds)]
        tokens = [alphabet[column] for column in flat.tolist()]
        return [self.language.join(tokens[b:e]) for b, e in pairwise(bounds)]

    def _step(self, number: int, column: int) -> int:
        behind = int(self._next[number, column])
        if behind == _UNKNOWN:
            if self._chances[number, column] == 0.0:
                behind = WRONG
            else:
                state = self.language.advance(self._states[number], self.language.alphabet[column])
                behind = self._number(state)
            self._next[number, column] = behind
        return behind

    def _number(self, state: Any) -> int:
        number = self._numbers.get(state)
        if number is None:
            number = self._numbers[state] = len(self._states)
            self._states.append(state)
            if number == len(self._chances):
                self._chances = np.concatenate([self._chances, np.zeros_like(self._chances)])
                self._next = np.concatenate([self._next, np.full_like(self._next, _UNKNOWN)])
            for token, chance in self.language.distribution(state).items():
                self._chances[number, self.columns.get(token, self.end)] = chance
        return number
