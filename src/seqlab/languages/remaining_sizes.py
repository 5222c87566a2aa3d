"""How much of a sentence remains after a prefix, exactly, for a weighted grammar.

All distributions are power series: coefficient n is the probability of the size n, and independent parts
multiply. Sizes are those of words, e.g. 1 for each, or its number of characters. Legend: M maximum size.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from seqlab.languages.earley import ROOT, EarleyColumn, EarleyParser, Item
from seqlab.languages.grammar import Grammar, Symbols

Series = NDArray[np.float64]
"""(M+1,)"""
_Expansion = tuple[str, EarleyColumn]
"""A name that is being expanded, and the column where it began."""


class RemainingSizes:
    """Distributions of the size of what follows, up to a maximum size; kept once they are computed.

    Args:
        grammar: the grammar of the sentences.
        parser: its parser, whose columns are the prefixes.
        sizes: of each word, at least 1.
        limit: the maximum size M.
    """

    def __init__(self, grammar: Grammar, parser: EarleyParser, sizes: Mapping[str, int], limit: int):
        self._rules, self._ranks, self._limit = grammar.rules, parser.ranks, limit
        self._of = _derived(grammar, parser.ranks, sizes, limit)
        self._climbs: dict[str, dict[str, Series]] = {}
        self._following: dict[_Expansion, Series] = {}
        self._after: dict[EarleyColumn, Series] = {}

    def after(self, column: EarleyColumn) -> Series:
        """Probabilities of the sizes that remain after the prefix of a column."""
        if column not in self._after:
            self._after[column] = self._computed_after(column)
        return self._after[column]

    def _computed_after(self, column: EarleyColumn) -> Series:
        found = np.zeros(self._limit + 1)
        found[0] = column.ended
        for expansion in self._pending(column):
            self._following[expansion] = self._follow(*expansion)
        for item in _kernel(column):
            found += item.forward * self._product(self._of[item.remaining], self._rest(item))
        return found

    def _pending(self, column: EarleyColumn) -> list[_Expansion]:
        """The expansions around a column that have not been computed yet, outer ones first."""
        found = self._around(column)
        seen = set(found)
        for _, origin in found:  # the list grows while it is iterated over
            new = [expansion for expansion in self._around(origin) if expansion not in seen]
            seen.update(new)
            found += new
        return sorted(seen, key=lambda expansion: expansion[1].position)

    def _around(self, column: EarleyColumn) -> list[_Expansion]:
        expansions = ((item.name, item.origin) for item in _kernel(column) if item.name != ROOT)
        return [expansion for expansion in expansions if expansion not in self._following]

    def _rest(self, item: Item) -> Series:
        """What follows once an item is complete."""
        return self._of[()] if item.name == ROOT else self._following[item.name, item.origin]

    def _follow(self, name: str, origin: EarleyColumn) -> Series:
        """What follows a name that began at a column.

        An item of the column expects some name, at whose left corner, perhaps several levels down, the given
        one is; what the levels in between leave open comes first.
        """
        climbs, found = self._climb(name), np.zeros(self._limit + 1)
        for item in _kernel(origin):
            climbed = climbs.get(item.remaining[0])
            if climbed is not None:
                rest = self._product(self._of[item.remaining[1:]], self._rest(item))
                found += item.forward * self._product(climbed, rest)
        return found / sum(item.forward for item in origin.waiting[name])

    def _climb(self, name: str) -> dict[str, Series]:
        """For each name that can have the given one at its left corner: what remains of it thereafter.

        Summed over all derivations, however often each name recurs under left recursion; not normalised.
        """
        if name not in self._climbs:
            self._climbs[name] = self._climbed(name)
        return self._climbs[name]

    def _climbed(self, name: str) -> dict[str, Series]:
        edges = self._edges_up(name)
        found = {upper: np.zeros(self._limit + 1) for upper in edges}
        found[name][0] = 1.0
        # Lower names first: a name that derives another one alone needs its value of the same size.
        order = sorted(edges, key=lambda upper: -self._ranks[upper])
        for size in range(self._limit + 1):
            for upper in order:
                for lower, rest, probability in edges[upper]:
                    found[upper][size] += probability * (self._of[rest][: size + 1] @ found[lower][size::-1])
        return found

    def _edges_up(self, name: str) -> dict[str, list[tuple[str, Symbols, float]]]:
        """The rules with which one climbs from a name: by the upper name, the lower one, and the rest."""
        edges: dict[str, list[tuple[str, Symbols, float]]] = {name: []}
        for lower in (pending := [name]):  # the list grows while it is iterated over
            for upper, choices in self._rules.items():
                for symbols, probability in choices:
                    if symbols[0] != lower:
                        continue
                    if upper not in edges:
                        edges[upper] = []
                        pending.append(upper)
                    edges[upper].append((lower, symbols[1:], probability))
        return edges

    def _product(self, first: Series, second: Series) -> Series:
        return np.convolve(first, second)[: self._limit + 1]


def _kernel(column: EarleyColumn) -> list[Item]:
    """The items that were not begun at the column itself, except that of a whole string."""
    return [
        item
        for items in column.waiting.values()
        for item in items
        if item.origin is not column or item.name == ROOT
    ]


def _derived(
    grammar: Grammar, ranks: Mapping[str, int], sizes: Mapping[str, int], limit: int
) -> dict[Symbols, Series]:
    """The size of what is derived from each suffix of each rule, and from each symbol.

    Coefficients in ascending order: as nothing is empty, those of several symbols follow from lower ones.
    """
    found: dict[Symbols, Series] = {(): np.zeros(limit + 1)}
    found[()][0] = 1.0
    for word, size in sizes.items():
        found[word,] = np.zeros(limit + 1)
        found[word,][size : size + 1] = 1.0
    for name in grammar.rules:
        found[name,] = np.zeros(limit + 1)
    choices = [symbols for choices in grammar.rules.values() for symbols, _ in choices]
    suffixes = {symbols[i:] for symbols in choices for i in range(len(symbols) - 1)}
    found |= {suffix: np.zeros(limit + 1) for suffix in suffixes}
    lower_first = sorted(grammar.rules, key=lambda name: -ranks[name])
    for size in range(1, limit + 1):
        for suffix in suffixes:
            first, rest = found[suffix[:1]], found[suffix[1:]]
            found[suffix][size] = first[1:size] @ rest[size - 1 : 0 : -1]
        for name in lower_first:
            found[name,][size] = sum(
                probability * found[symbols][size] for symbols, probability in grammar.rules[name]
            )
    return found
