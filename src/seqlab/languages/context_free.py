"""Context-free languages: the strings that a weighted grammar generates.

Legend: R rules (choices of all names), S symbols of the strings that are being derived.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from seqlab.languages.earley import EarleyColumn, EarleyParser
from seqlab.languages.explorer import CHUNK
from seqlab.languages.grammar import Grammar
from seqlab.languages.language import Entropy, FormalLanguage

ENTROPY_SAMPLES = 20_000
"""Strings from which the entropy is estimated where derivations do not determine it."""

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class ContextFree(FormalLanguage[EarleyColumn]):
    """The sentences of a grammar, words separated by spaces; Earley's parser gives exact probabilities.

    >>> from seqlab.languages.grammar import uniform_grammar
    >>> language = ContextFree(uniform_grammar({"s": ["a s b", "a b"]}))
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
    def _parser(self) -> EarleyParser:
        return EarleyParser(self.grammar)

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
        """Whether the first word of each choice determines the rule, so that each string has one derivation.

        Sufficient, not necessary: other unambiguous grammars are treated as ambiguous.
        """
        firsts = _first_words(self.grammar)
        for choices in self.grammar.rules.values():
            sets = [firsts.get(symbols[0], {symbols[0]}) for symbols, _ in choices]
            if sum(map(len, sets)) > len(set().union(*sets)):
                return False
        return True

    @override
    def entropy(self) -> Entropy:
        # In closed form only where each string has one derivation; in general no closed form is known, so the
        # entropy is the mean of exact -log probabilities over many strings.
        tokens = self.grammar.mean_words + 1
        if self.unambiguous:
            return Entropy(per_string=self.grammar.derivation_nats, tokens=tokens)
        return estimate(self, tokens)

    @override
    def draw(self, count: int, random: np.random.Generator) -> list[str]:
        # Not word by word as in other languages: few strings share states of the parser, and derivations are
        # cheap.
        texts: list[str] = []
        while len(texts) < count:
            symbols, rows = self._derive(random)
            words, bounds = self._symbols[symbols], np.searchsorted(rows, np.arange(CHUNK + 1)).tolist()
            listed = words.tolist()
            texts += [" ".join(listed[b:e]) for b, e in pairwise(bounds)]
        return texts[:count]

    def _derive(self, random: np.random.Generator) -> tuple[Integers, Integers]:
        """(S,) words of `CHUNK` random sentences by index in `_symbols`, and (S,) the sentence of each.

        In each round every name in every sentence is replaced by one of its choices.
        """
        rules = self._rules
        symbols, rows = np.zeros(CHUNK, dtype=np.int64), np.arange(CHUNK)
        while (is_name := symbols < len(self.grammar.rules)).any():
            rule = np.full(len(symbols), -1)
            draws = symbols[is_name] + random.random(int(is_name.sum()))
            rule[is_name] = np.searchsorted(rules.cumulative, draws, side="right")
            lengths = np.where(is_name, rules.lengths[rule], 1)
            begins = np.cumsum(lengths) - lengths
            source = np.repeat(np.arange(len(symbols)), lengths)
            offset = np.arange(len(source)) - begins[source]
            written = rules.symbols[rules.begins[rule[source]] + offset]
            symbols, rows = np.where(is_name[source], written, symbols[source]), rows[source]
        return symbols, rows

    @cached_property
    def _symbols(self) -> NDArray[np.object_]:
        """Names of rules, then words."""
        return np.array([*self.grammar.rules, *self.grammar.words], dtype=object)

    @cached_property
    def _rules(self) -> _FlatRules:
        indices = {symbol: index for index, symbol in enumerate(self._symbols.tolist())}
        cumulative, lengths, symbols = [], [], []
        for index, choices in enumerate(self.grammar.rules.values()):
            total = 0.0
            for written, probability in choices:
                total += probability
                cumulative.append(index + total)
                lengths.append(len(written))
                symbols += [indices[symbol] for symbol in written]
            cumulative[-1] = index + 1.0  # exactly, whatever the sum rounds to
        counts = np.array(lengths)
        return _FlatRules(np.array(cumulative), counts, np.cumsum(counts) - counts, np.array(symbols))


@dataclass(frozen=True)
class _FlatRules:
    """All rules in flat arrays.

    cumulative: (R,) index of the rule's name + the cumulative probability among its choices. As the values
    increase over all rules, one binary search for index + random number finds the choice of any name.
    lengths, begins: (R,) where the rule's symbols lie in `symbols`.
    """

    cumulative: NDArray[np.float64]
    lengths: Integers
    begins: Integers
    symbols: Integers


def estimate(language: FormalLanguage[EarleyColumn], tokens: float) -> Entropy:
    """Nats per string as a mean over many random strings, each one's exact; `tokens` is known."""
    texts = language.draw(ENTROPY_SAMPLES, np.random.default_rng(0))
    nats = np.array([language.nats(text) for text in texts])
    error = float(nats.std(ddof=1)) / math.sqrt(len(nats))
    return Entropy(per_string=float(nats.mean()), tokens=tokens, error=error, strings=len(nats))


def _first_words(grammar: Grammar) -> dict[str, set[str]]:
    """The words with which each name can begin."""
    found: dict[str, set[str]] = {name: set() for name in grammar.rules}
    # A word passes through at most one name per round, so as many rounds as names suffice.
    for _ in grammar.rules:
        for name, choices in grammar.rules.items():
            for symbols, _probability in choices:
                found[name] |= found.get(symbols[0], {symbols[0]})
    return found
