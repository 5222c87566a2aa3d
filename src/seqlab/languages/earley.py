"""Strings of a context-free grammar read from left to right: Earley's parser with probabilities (Stolcke 1995).

A state is a column of items "name -> done . to do, from column k". `forward` is the chance of the prefix with
the item in its derivation, `inner` that of what the item has covered since k, both divided by the chance of
the prefix, so that they do not vanish on long strings. Left recursion is summed in closed form.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from seqlab.languages.grammar import Grammar, Symbols
from seqlab.languages.language import END

_ROOT = ""
"""The name of the rule that stands for a whole string; no user's name is empty."""


@dataclass(eq=False, slots=True)
class Item:
    """A rule half done; `origin` is the column where it began."""

    name: str
    todo: Symbols
    origin: EarleyColumn
    forward: float
    inner: float


@dataclass(eq=False, slots=True)
class EarleyColumn:
    """What is half done behind a prefix, by the symbol that comes next; `place` is the prefix's length."""

    place: int
    waiting: dict[str, list[Item]] = field(default_factory=dict)
    ended: float = 0.0
    """The chance that the string ends here, given the prefix."""
    behind: dict[str, EarleyColumn] = field(default_factory=dict)
    """Columns behind one more word, as far as they were asked for."""
    probabilities: dict[str, float] = field(default_factory=dict)
    """Of the next word or the end, once it was asked for."""


class Parser:
    """Columns of a grammar."""

    def __init__(self, grammar: Grammar):
        self._rules = grammar.rules
        self._corners = _left_corners(grammar)
        self._same = _interchangeable(grammar)

    @cached_property
    def first(self) -> EarleyColumn:
        """Before the first word."""
        column = EarleyColumn(0)
        start = next(iter(self._rules))
        self._add(column, [Item(_ROOT, (start,), column, 1.0, 1.0)])
        return column

    def distribution(self, column: EarleyColumn) -> dict[str, float]:
        """Chances of the next word, or of the end."""
        if column.probabilities:
            return column.probabilities
        found = {
            symbol: sum(item.forward for item in items)
            for symbol, items in column.waiting.items()
            if symbol not in self._rules
        }
        if column.ended:
            found[END] = column.ended
        total = sum(found.values())
        column.probabilities = {symbol: chance / total for symbol, chance in sorted(found.items())}
        return column.probabilities

    def advance(self, column: EarleyColumn, word: str) -> EarleyColumn:
        """Behind one more word that may stand there; the same column for words that are interchangeable."""
        known = column.behind.get(self._same[word])
        if known is None:
            known = column.behind[self._same[word]] = self._scan(column, word)
        return known

    def _scan(self, column: EarleyColumn, word: str) -> EarleyColumn:
        chance = self.distribution(column)[word]
        items = [
            Item(item.name, item.todo[1:], item.origin, item.forward / chance, item.inner / chance)
            for item in column.waiting[word]
        ]
        found = EarleyColumn(column.place + 1)
        self._add(found, list(self._completed(items, found)))
        return found

    def _completed(self, items: list[Item], column: EarleyColumn) -> Iterator[Item]:
        """The items, and those that are done further by what is whole; the latest begun first.

        What began later is inside what began earlier; of two that began at the same place, one is the other
        alone.
        """
        whole: dict[tuple[int, str], list[Item]] = {}
        for item in items:
            if item.todo:
                yield item
            else:
                whole.setdefault((item.origin.place, item.name), []).append(item)
        while whole:
            key = max(whole, key=lambda key: (key[0], self._rank(key[1])))
            done = whole.pop(key)
            origin, inner = done[0].origin, sum(item.inner for item in done)
            if key[1] == _ROOT:
                column.ended += inner
                continue
            for item in origin.waiting.get(key[1], ()):
                further = Item(
                    item.name, item.todo[1:], item.origin, item.forward * inner, item.inner * inner
                )
                if further.todo:
                    yield further
                else:
                    whole.setdefault((further.origin.place, further.name), []).append(further)

    def _add(self, column: EarleyColumn, items: list[Item]) -> None:
        """File the items and what they begin, with all left corners of what comes next at once."""
        begun: dict[str, float] = {}
        for item in items:
            column.waiting.setdefault(item.todo[0], []).append(item)
            for name, chance in self._corners.get(item.todo[0], {}).items():
                begun[name] = begun.get(name, 0.0) + item.forward * chance
        for name, forward in begun.items():
            for symbols, chance in self._rules[name]:
                item = Item(name, symbols, column, forward * chance, chance)
                column.waiting.setdefault(symbols[0], []).append(item)

    def _rank(self, name: str) -> int:
        """Higher for names that others are written as alone: these are whole before those."""
        return 0 if name == _ROOT else self._ranks[name]

    @cached_property
    def _ranks(self) -> dict[str, int]:
        """The longest way down over rules of one name, from any name to this one, plus 1."""
        ranks = dict.fromkeys(self._rules, 1)
        for _ in self._rules:
            for name, choices in self._rules.items():
                for symbols, _chance in choices:
                    if len(symbols) == 1 and symbols[0] in ranks:
                        ranks[symbols[0]] = max(ranks[symbols[0]], ranks[name] + 1)
        return ranks


def _left_corners(grammar: Grammar) -> dict[str, dict[str, float]]:
    """For each name those that may stand first in what it is written as, itself too: how often, on average.

    The sum over all ways down, (I - P)^-1 with P the chances that a name's first symbol is another name.
    """
    names = list(grammar.rules)
    places = {name: place for place, name in enumerate(names)}
    first = np.zeros((len(names), len(names)))
    for name, choices in grammar.rules.items():
        for symbols, chance in choices:
            if symbols[0] in places:
                first[places[name], places[symbols[0]]] += chance
    often = np.linalg.inv(np.eye(len(names)) - first)
    return {
        name: {other: float(often[row, column]) for other, column in places.items() if often[row, column] > 0}
        for name, row in places.items()
    }


def _interchangeable(grammar: Grammar) -> dict[str, str]:
    """For each word the first of those in whose place it could stand everywhere, the rest being the same.

    Words are interchangeable if rules with one are rules with the other, with chances in one proportion
    everywhere: then the states behind them are equal.
    """
    kinds: dict[object, str] = {}
    return {word: kinds.setdefault(_uses(grammar, word), word) for word in grammar.words}


def _uses(grammar: Grammar, word: str) -> object:
    """Equal for interchangeable words: where a word stands, with chances in proportion to the first one's."""
    uses = [
        (name, tuple("" if symbol == word else symbol for symbol in symbols), chance)
        for name, choices in grammar.rules.items()
        for symbols, chance in choices
        if word in symbols
    ]
    uses.sort()
    first = uses[0][2]
    return tuple((name, symbols, round(chance / first, 12)) for name, symbols, chance in uses)
