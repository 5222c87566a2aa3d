"""Context-free languages: what a weighted grammar writes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from seqlab.languages.earley import EarleyColumn, Parser
from seqlab.languages.grammar import Grammar
from seqlab.languages.language import Entropy, FormalLanguage

CHUNK = 8192
"""Strings drawn side by side; always as many, so that more of them begin with the same ones."""
ESTIMATED = 20_000
"""Strings from which entropy is estimated where derivations do not tell it."""

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class ContextFree(FormalLanguage[EarleyColumn]):
    """Words apart by blanks, as a grammar writes them; what is next is exact by Earley's parser.

    >>> from seqlab.languages.grammar import evenly
    >>> language = ContextFree(evenly({"s": ["a s b", "a b"]}))
    >>> language.is_member("a a b b"), language.is_member("a b b"), dict(language.next_token("a"))
    (True, False, {'a': 0.5, 'b': 0.5})
    """

    separator: ClassVar[str] = " "
    grammar: Grammar

    @property
    @override
    def alphabet(self) -> tuple[str, ...]:
        return self.grammar.words

    @cached_property
    def _parser(self) -> Parser:
        return Parser(self.grammar)

    @override
    def start(self) -> EarleyColumn:
        return self._parser.first

    @override
    def distribution(self, state: EarleyColumn) -> dict[str, float]:
        return self._parser.distribution(state)

    @override
    def advance(self, state: EarleyColumn, token: str) -> EarleyColumn:
        return self._parser.advance(state, token)

    @cached_property
    def unambiguous(self) -> bool:
        """Whether each string surely has one derivation only: the first word tells which rule is used."""
        firsts = _first_words(self.grammar)
        for choices in self.grammar.rules.values():
            sets = [firsts.get(symbols[0], {symbols[0]}) for symbols, _ in choices]
            if sum(map(len, sets)) > len(set().union(*sets)):
                return False
        return True

    def entropy(self) -> Entropy:
        """In closed form where each string has one derivation only.

        Else nobody knows a closed form: a mean of exact -log chances over many strings, with its error.
        """
        tokens = self.grammar.mean_words + 1
        if self.unambiguous:
            return Entropy(per_string=self.grammar.derivation_nats, tokens=tokens)
        return estimate(self, tokens)

    def draw(self, count: int, random: np.random.Generator) -> list[str]:
        """See `FormalLanguage`; names of many strings are written out side by side."""
        texts: list[str] = []
        while len(texts) < count:
            symbols, rows = self._written_out(random)
            words, bounds = self._names[symbols], np.searchsorted(rows, np.arange(CHUNK + 1)).tolist()
            listed = words.tolist()
            texts += [" ".join(listed[b:e]) for b, e in pairwise(bounds)]
        return texts[:count]

    def _written_out(self, random: np.random.Generator) -> tuple[Integers, Integers]:
        """Words by number, and the string each one is of."""
        table = self._table
        symbols, rows = np.zeros(CHUNK, dtype=np.int64), np.arange(CHUNK)
        while (names := symbols < len(self.grammar.rules)).any():
            rule = np.full(len(symbols), -1)
            draws = symbols[names] + random.random(int(names.sum()))
            rule[names] = np.searchsorted(table.cumulative, draws, side="right")
            lengths = np.where(names, table.lengths[rule], 1)
            begins = np.cumsum(lengths) - lengths
            source = np.repeat(np.arange(len(symbols)), lengths)
            place = np.arange(len(source)) - begins[source]
            written = table.symbols[table.begins[rule[source]] + place]
            symbols, rows = np.where(names[source], written, symbols[source]), rows[source]
        return symbols, rows

    @cached_property
    def _names(self) -> NDArray[np.object_]:
        """Names of rules, then words."""
        return np.array([*self.grammar.rules, *self.grammar.words], dtype=object)

    @cached_property
    def _table(self) -> _Table:
        numbers = {name: number for number, name in enumerate(self._names.tolist())}
        cumulative, lengths, symbols = [], [], []
        for number, choices in enumerate(self.grammar.rules.values()):
            total = 0.0
            for written, chance in choices:
                total += chance
                cumulative.append(number + total)
                lengths.append(len(written))
                symbols += [numbers[symbol] for symbol in written]
            cumulative[-1] = number + 1.0
        counts = np.array(lengths)
        return _Table(np.array(cumulative), counts, np.cumsum(counts) - counts, np.array(symbols))


@dataclass(frozen=True)
class _Table:
    """Rules one behind the other: chances up to each, above its name's number; their lengths and symbols."""

    cumulative: NDArray[np.float64]
    lengths: Integers
    begins: Integers
    symbols: Integers


def estimate(language: FormalLanguage[EarleyColumn], tokens: float) -> Entropy:
    """Nats per string as a mean over many drawn ones, each exact; `tokens` is known."""
    texts = language.draw(ESTIMATED, np.random.default_rng(0))
    nats = np.array([language.nats(text) for text in texts])
    error = float(nats.std(ddof=1)) / math.sqrt(len(nats))
    return Entropy(per_string=float(nats.mean()), tokens=tokens, error=error, strings=len(nats))


def _first_words(grammar: Grammar) -> dict[str, set[str]]:
    """Of each name the words that may stand first."""
    found: dict[str, set[str]] = {name: set() for name in grammar.rules}
    for _ in grammar.rules:
        for name, choices in grammar.rules.items():
            for symbols, _chance in choices:
                found[name] |= found.get(symbols[0], {symbols[0]})
    return found
