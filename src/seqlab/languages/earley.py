"""Strings of a context-free grammar read from left to right: Earley's parser with probabilities.

After Stolcke, "An Efficient Probabilistic Context-Free Parsing Algorithm that Computes Prefix Probabilities"
(1995). A state is a column of items `name -> done . remaining`, each with the column where it began (its
origin). `forward` is the probability of the prefix with the item in its derivation, `inner` that of the words
the item has covered since its origin. Both are divided by the probability of the prefix; otherwise they would
underflow on long strings. Left recursion is summed in closed form.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from seqlab.languages.grammar import Grammar, Symbols
from seqlab.languages.language import END

ROOT = ""
"""The name of the rule for a whole string; names in a user's grammar are never empty."""


@dataclass(eq=False, slots=True)
class Item:
    """A rule of which some symbols remain to be read; `origin` is the column where it began."""

    name: str
    remaining: Symbols
    origin: EarleyColumn
    forward: float
    inner: float

    def advanced(self, factor: float) -> Item:
        """The item after one more symbol, with both probabilities multiplied by a factor."""
        return Item(self.name, self.remaining[1:], self.origin, self.forward * factor, self.inner * factor)


@dataclass(eq=False, slots=True)
class EarleyColumn:
    """The incomplete items after a prefix, by their next symbol; `position` is the length of the prefix."""

    position: int
    waiting: dict[str, list[Item]] = field(default_factory=dict)
    ended: float = 0.0
    """The probability that the string ends here, given the prefix."""
    successors: dict[str, EarleyColumn] = field(default_factory=dict)
    """Columns after one more word, as far as they have been computed."""
    probabilities: dict[str, float] = field(default_factory=dict)
    """Of the next word or the end, once they have been computed."""


class EarleyParser:
    """Computes the columns of a grammar on demand and keeps them."""

    def __init__(self, grammar: Grammar):
        self._rules = grammar.rules
        self._left_corners = _left_corners(grammar)
        self._representative = _interchangeable(grammar)

    @cached_property
    def first(self) -> EarleyColumn:
        """The column before the first word."""
        column = EarleyColumn(0)
        start = next(iter(self._rules))
        self._add(column, [Item(ROOT, (start,), column, 1.0, 1.0)])
        return column

    def distribution(self, column: EarleyColumn) -> dict[str, float]:
        """Probabilities of the next word, or of the end."""
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
        column.probabilities = {symbol: forward / total for symbol, forward in sorted(found.items())}
        return column.probabilities

    def advance(self, column: EarleyColumn, word: str) -> EarleyColumn:
        """The column after one more possible word; interchangeable words lead to the same column.

        Sharing columns keeps their number low: a grammar with 1,000 nouns needs one column for all of them.
        """
        word_class = self._representative[word]
        known = column.successors.get(word_class)
        if known is None:
            # Of the class, whichever word was asked for first: equal up to rounding is not equal.
            known = column.successors[word_class] = self._scan(column, word_class)
        return known

    def _scan(self, column: EarleyColumn, word: str) -> EarleyColumn:
        probability = self.distribution(column)[word]
        items = [
            Item(
                item.name,
                item.remaining[1:],
                item.origin,
                item.forward / probability,
                item.inner / probability,
            )
            for item in column.waiting[word]
        ]
        found = EarleyColumn(column.position + 1)
        self._add(found, list(self._completed(items, found)))
        return found

    def _completed(self, items: list[Item], column: EarleyColumn) -> Iterator[Item]:
        """The incomplete items, and those that complete ones advance.

        A complete item may only advance others after everything inside it has been added up. What began later
        lies inside what began earlier; of two names that began at the same position, one derives the other
        alone, and the rank tells which. Hence the order.
        """
        complete: dict[tuple[int, str], list[Item]] = {}
        for item in items:
            if item.remaining:
                yield item
            else:
                complete.setdefault((item.origin.position, item.name), []).append(item)
        while complete:
            key = max(complete, key=lambda key: (key[0], self._rank(key[1])))
            done = complete.pop(key)
            origin, inner = done[0].origin, sum(item.inner for item in done)
            if key[1] == ROOT:
                column.ended += inner
                continue
            for item in origin.waiting.get(key[1], ()):
                further = item.advanced(inner)
                if further.remaining:
                    yield further
                else:
                    complete.setdefault((further.origin.position, further.name), []).append(further)

    def _add(self, column: EarleyColumn, items: list[Item]) -> None:
        """Store the items and the rules that begin at their next symbols.

        Stolcke's prediction step: the closure over left corners, which may be infinitely many derivations
        under left recursion, is one lookup in `_left_corners`.
        """
        begun: dict[str, float] = {}
        for item in items:
            column.waiting.setdefault(item.remaining[0], []).append(item)
            for name, expected in self._left_corners.get(item.remaining[0], {}).items():
                begun[name] = begun.get(name, 0.0) + item.forward * expected
        for name, forward in begun.items():
            for symbols, probability in self._rules[name]:
                item = Item(name, symbols, column, forward * probability, probability)
                column.waiting.setdefault(symbols[0], []).append(item)

    def _rank(self, name: str) -> int:
        """Higher for a name that others derive alone: it is complete before those."""
        return 0 if name == ROOT else self.ranks[name]

    @cached_property
    def ranks(self) -> dict[str, int]:
        """1 + the longest path to each name through rules with a single symbol, of which no cycle exists."""
        ranks = dict.fromkeys(self._rules, 1)
        for _ in self._rules:
            for name, choices in self._rules.items():
                for symbols, _probability in choices:
                    if len(symbols) == 1 and symbols[0] in ranks:
                        ranks[symbols[0]] = max(ranks[symbols[0]], ranks[name] + 1)
        return ranks


def _left_corners(grammar: Grammar) -> dict[str, dict[str, float]]:
    """For each name, how often each name is expected at the left corner of its derivation, itself included.

    The sum over derivations of all depths, (I - P)^-1, where P holds the probabilities that the first symbol
    of one name's choice is another name.
    """
    names = list(grammar.rules)
    indices = {name: index for index, name in enumerate(names)}
    first = np.zeros((len(names), len(names)))
    for name, choices in grammar.rules.items():
        for symbols, probability in choices:
            if symbols[0] in indices:
                first[indices[name], indices[symbols[0]]] += probability
    expected = np.linalg.inv(np.eye(len(names)) - first)
    return {
        name: {
            other: float(expected[row, column])
            for other, column in indices.items()
            if expected[row, column] > 0
        }
        for name, row in indices.items()
    }


def _interchangeable(grammar: Grammar) -> dict[str, str]:
    """For each word, the first word that it is interchangeable with.

    Two words are interchangeable if replacing one by the other maps rules to rules and changes all their
    probabilities by the same factor: then the columns after them are equal. A word that a rule has twice is
    interchangeable with none, because the second occurrence depends on the first.
    """
    classes: dict[object, str] = {}
    return {word: classes.setdefault(_uses(grammar, word), word) for word in grammar.words}


def _uses(grammar: Grammar, word: str) -> object:
    """The rules with a word, with probabilities relative to the first: equal for interchangeable words."""
    uses = [
        (name, tuple("" if symbol == word else symbol for symbol in symbols), probability)
        for name, choices in grammar.rules.items()
        for symbols, probability in choices
        if word in symbols
    ]
    if any(symbols.count("") > 1 for _, symbols, _ in uses):
        return word
    uses.sort()
    first = uses[0][2]
    return tuple((name, symbols, round(probability / first, 12)) for name, symbols, probability in uses)
