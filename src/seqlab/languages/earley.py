"""Strings of a context-free grammar read from left to right: Earley's parser with probabilities.

After Stolcke, "An Efficient Probabilistic Context-Free Parsing Algorithm that Computes Prefix Probabilities"
(1995). A state is a column of items `name -> done . remaining`, each with the column where it began (its
origin). `forward` is the probability of the prefix with the item in its derivation, `inner` that of the words
the item has covered since its origin. Both are divided by the probability of the prefix; otherwise they would
underflow on long strings. Left recursion is summed in closed form; right recursion takes one step, after Leo,
"A general context-free parsing algorithm running in linear time on every LR(k) grammar without using
lookahead" (1991), so that the time for a string without other ambiguity is proportional to its length.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from heapq import heappop, heappush

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
    ends: dict[str, Ends] = field(default_factory=dict)
    """Of names that began here, once they have been computed; see `EarleyParser._ends`."""


Ends = dict[tuple[EarleyColumn, str], float]
"""Names with the columns where they began, and a factor of each."""


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
        """The incomplete items, and those that complete ones advance."""
        complete = Completions(self.ranks)
        for item in items:
            if item.remaining:
                yield item
            else:
                complete.add(item.origin, item.name, item.inner)
        while complete:
            origin, name, inner = complete.pop()
            if name == ROOT:
                column.ended += inner
                continue
            ends = self._ends(origin, name)
            if (origin, name) not in ends:
                for (end, upper), factor in ends.items():
                    complete.add(end, upper, inner * factor)
                continue
            for item in origin.waiting.get(name, ()):
                further = item.advanced(inner)
                if further.remaining:
                    yield further
                else:
                    complete.add(further.origin, further.name, further.inner)

    def _ends(self, column: EarleyColumn, name: str) -> Ends:
        """The names that end together with a name that began at a column, and the factors of `inner`.

        Where a name is the last symbol of every item that waits for it, its end completes names further
        outside, and nothing else. Right recursion repeats that once per word read so far; the products along
        the way are kept, so that one step leads to the outermost names (Leo 1991, for one waiting item).
        A name that is not the last symbol of some item is an end itself, with factor 1. So is one with more
        ends than the grammar has rules, which would take longer than the steps that they replace.
        """
        pending = [(column, name)]
        while pending:
            begin, lower = pending[-1]
            items = begin.waiting.get(lower, [])
            last = bool(items) and all(len(item.remaining) == 1 for item in items)
            missing = [
                (item.origin, item.name) for item in items if last and item.name not in item.origin.ends
            ]
            if missing:
                pending += missing
                continue
            found: Ends = {}
            for item in items if last else ():
                for end, factor in item.origin.ends[item.name].items():
                    found[end] = found.get(end, 0.0) + item.inner * factor
            begin.ends[lower] = found if 0 < len(found) <= len(self._rules) else {(begin, lower): 1.0}
            pending.pop()
        return column.ends[name]

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


class Completions:
    """Names that are complete in one column, with the sums of their inner probabilities.

    A complete name may only advance others after everything inside it has been added up. What began later
    lies inside what began earlier; of two names that began at the same position, one derives the other alone,
    and the rank tells which. Hence the order of `pop`.

    Args:
        ranks: of each name, higher than those of names that derive it alone.
    """

    def __init__(self, ranks: Mapping[str, int]):
        self._ranks = ranks
        self._inner: dict[tuple[EarleyColumn, str], float] = {}
        self._order: list[tuple[int, int, int, EarleyColumn, str]] = []
        self._added = 0

    def __len__(self) -> int:
        return len(self._inner)

    def add(self, origin: EarleyColumn, name: str, inner: float) -> None:
        """Add to the probability of a name that began at a column."""
        key = (origin, name)
        if key not in self._inner:
            # No two entries have the same third number, so columns are never compared.
            entry = (-origin.position, -self._ranks.get(name, 0), self._added, origin, name)
            heappush(self._order, entry)
            self._added += 1
        self._inner[key] = self._inner.get(key, 0.0) + inner

    def pop(self) -> tuple[EarleyColumn, str, float]:
        """The next name, where it began, and its probability."""
        *_, origin, name = heappop(self._order)
        return origin, name, self._inner.pop((origin, name))


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
