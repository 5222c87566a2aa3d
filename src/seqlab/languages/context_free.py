"""Context-free languages: the strings that a weighted grammar generates.

Legend: R rules (choices of all names), S words of the strings that are being derived.
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
from seqlab.languages.explorer import chunk_sizes
from seqlab.languages.grammar import Grammar
from seqlab.languages.language import Entropy, FormalLanguage
from seqlab.languages.remaining_sizes import RemainingSizes

ENTROPY_SAMPLES = 20_000
"""Strings from which the entropy is estimated where derivations do not determine it."""
FEWEST_SAMPLES, LONG = 100, 100
"""Fewer strings, as few as this, are taken where they have more words than `LONG` on average: the time to
read one may grow with the square of its words, or faster where the grammar is ambiguous."""

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
    length_follows_from: ClassVar[str] = "the probabilities of the rules"
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
        tokens = self.mean_tokens + 1
        if self.unambiguous:
            return Entropy(per_string=self.grammar.derivation_nats, tokens=tokens)
        return estimate(self, tokens)

    @property
    @override
    def mean_tokens(self) -> float:
        return self.grammar.mean_sum(lambda word: 1)

    @override
    def remaining_lengths(self, state: EarleyColumn, limit: int) -> NDArray[np.float64]:
        return self._remaining(limit, characters=False).after(state)

    def remaining_characters(self, limit: int) -> RemainingSizes:
        """How many characters follow after a prefix, up to a limit; a word comes with the space before it."""
        return self._remaining(limit, characters=True)

    def _remaining(self, limit: int, *, characters: bool) -> RemainingSizes:
        known = self._tables.get((limit, characters))
        if known is None:
            sizes = {word: len(word) + 1 if characters else 1 for word in self.alphabet}
            known = RemainingSizes(self.grammar, self._parser, sizes, limit)
            self._tables[limit, characters] = known
        return known

    @cached_property
    def _tables(self) -> dict[tuple[int, bool], RemainingSizes]:
        return {}

    @override
    def _drawn(self, count: int, random: np.random.Generator) -> list[str]:
        # Not word by word as in other languages: few strings share states of the parser, and derivations are
        # cheap.
        texts: list[str] = []
        for size in chunk_sizes(self.mean_tokens):
            if len(texts) >= count:
                break
            words, bounds = self._yield(self._derive(size, random))
            listed = self._symbols[words].tolist()
            texts += [" ".join(listed[begin:end]) for begin, end in pairwise(bounds.tolist())]
        return texts[:count]

    def _derive(self, size: int, random: np.random.Generator) -> list[_Level]:
        """The derivations of random sentences: in each level the choices of the names of the level above."""
        levels, symbols = list[_Level](), np.zeros(size, dtype=np.int64)
        rules = self._rules
        while len(symbols):
            names = np.flatnonzero(symbols < len(self.grammar.rules))
            draws = symbols[names] + random.random(len(names))
            rule = np.searchsorted(rules.cumulative, draws, side="right")
            lengths = rules.lengths[rule]
            levels.append(_Level(symbols, names, lengths))
            begins = np.cumsum(lengths) - lengths
            offset = np.arange(int(lengths.sum())) - np.repeat(begins, lengths)
            symbols = rules.symbols[np.repeat(rules.begins[rule], lengths) + offset]
        return levels

    def _yield(self, levels: list[_Level]) -> tuple[Integers, Integers]:
        """(S,) words of all sentences by index in `_symbols`, and where each sentence begins, and the end."""
        counts = [np.ones(0, dtype=np.int64)]
        for level in reversed(levels):  # the words below each symbol
            below = np.concatenate([[0], np.cumsum(counts[-1])])
            ends = np.cumsum(level.lengths)
            count = np.ones(len(level.symbols), dtype=np.int64)
            count[level.names] = below[ends] - below[ends - level.lengths]
            counts.append(count)
        bounds = np.concatenate([[0], np.cumsum(counts[-1])])
        words, begins = np.empty(bounds[-1], dtype=np.int64), bounds[:-1]
        for level, below in zip(levels, counts[-2::-1], strict=True):
            is_word = np.ones(len(level.symbols), dtype=bool)
            is_word[level.names] = False
            words[begins[is_word]] = level.symbols[is_word]
            # A symbol begins where its name does, after the words of the name's symbols before it.
            before = np.cumsum(below) - below
            ends = np.cumsum(level.lengths)
            first = np.repeat(ends - level.lengths, level.lengths)
            begins = np.repeat(begins[level.names], level.lengths) + before - before[first]
        return words, bounds

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
class _Level:
    """Symbols at one depth of derivations.

    symbols: all of them, from left to right. names: indices of those that are names. lengths: the number of
    symbols that each name is replaced by, which are in the next level.
    """

    symbols: Integers
    names: Integers
    lengths: Integers


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
    share = min(1.0, LONG / tokens) ** 2
    texts = language.draw(max(FEWEST_SAMPLES, int(ENTROPY_SAMPLES * share)), np.random.default_rng(0))
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
