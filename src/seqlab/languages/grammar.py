"""Weighted context-free grammars, checked: every rule is of use, every string ends."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from seqlab.schema.errors import UserError

Symbols = tuple[str, ...]
"""What a rule writes, or a part of it: words and names of rules."""
Rules = Mapping[str, tuple[tuple[Symbols, float], ...]]
"""Of each name, what it may be written as, with chances that sum to 1."""


@dataclass(frozen=True)
class Grammar:
    """Rules; the first one is where every string begins. What has no rule is a word.

    Raises:
        UserError: chances do not sum to 1; a name is never reached or never ends; something is empty; a name
            is written as itself alone; or strings have no mean length.
    """

    rules: Rules

    def __post_init__(self) -> None:
        if not self.rules:
            raise UserError("A grammar must have at least one rule. Got none.")
        for name, choices in self.rules.items():
            _check_chances(name, choices)
        self._check_reached()
        self._check_productive()
        self._check_cycles()
        self._check_mean_length()

    @property
    def start(self) -> str:
        """The name that stands for a whole string."""
        return next(iter(self.rules))

    @cached_property
    def words(self) -> tuple[str, ...]:
        """Every word, sorted."""
        every = (s for choices in self.rules.values() for symbols, _ in choices for s in symbols)
        return tuple(sorted({symbol for symbol in every if symbol not in self.rules}))

    @cached_property
    def mean_uses(self) -> dict[str, float]:
        """How often each name is written in a string, on average."""
        names = list(self.rules)
        begin = np.zeros(len(names))
        begin[0] = 1.0
        uses = np.linalg.solve(np.eye(len(names)) - self._expected().T, begin)
        return dict(zip(names, uses.tolist(), strict=True))

    @cached_property
    def mean_words(self) -> float:
        """Words of a string, on average."""
        return sum(
            self.mean_uses[name] * chance * sum(symbol not in self.rules for symbol in symbols)
            for name, choices in self.rules.items()
            for symbols, chance in choices
        )

    @cached_property
    def derivation_nats(self) -> float:
        """Entropy of derivations, in nats: of strings, too, where each has one derivation only."""
        return sum(
            -self.mean_uses[name] * chance * math.log(chance)
            for name, choices in self.rules.items()
            for _, chance in choices
        )

    def _expected(self) -> np.ndarray:
        """(N, N): how often each name (row) writes each other (column) by one rule."""
        places = {name: place for place, name in enumerate(self.rules)}
        found = np.zeros((len(places), len(places)))
        for name, choices in self.rules.items():
            for symbols, chance in choices:
                for symbol in symbols:
                    if symbol in places:
                        found[places[name], places[symbol]] += chance
        return found

    def _check_reached(self) -> None:
        seen, new = set[str](), {self.start}
        while new:
            seen |= new
            new = {
                s for name in new for symbols, _ in self.rules[name] for s in symbols if s in self.rules
            } - seen
        for name in self.rules:
            if name not in seen:
                raise UserError(
                    f"Every rule must be reached from {self.start!r}. Got {name!r}, which is not."
                )

    def _check_productive(self) -> None:
        ending, size = set[str](), -1
        while size != len(ending):
            size = len(ending)
            ending |= {
                name
                for name, choices in self.rules.items()
                if any(all(s in ending or s not in self.rules for s in symbols) for symbols, _ in choices)
            }
        if self.start not in ending:
            raise UserError(f"A grammar must have strings. Got none: {self.start!r} never comes to an end.")
        for name in self.rules:
            if name not in ending:
                raise UserError(f"Every rule must come to an end. Got {name!r}, which never does.")

    def _check_cycles(self) -> None:
        alone = {
            name: {symbols[0] for symbols, _ in choices if len(symbols) == 1 and symbols[0] in self.rules}
            for name, choices in self.rules.items()
        }
        for name in self.rules:
            seen, new = set[str](), set(alone[name])
            while new:
                seen |= new
                new = set().union(*(alone[one] for one in new)) - seen
            if name in seen:
                raise UserError(
                    "A rule must not be written as itself alone, not even through others, because then a "
                    f"string has endless derivations. Got {name!r}."
                )

    def _check_mean_length(self) -> None:
        radius = float(np.abs(np.linalg.eigvals(self._expected())).max())
        if radius >= 1 - 1e-9:
            raise UserError(
                "Strings must have a finite mean length. Got rules that write themselves "
                f"{radius:.3f} times on average, where it must be below 1. Nearest: more chance for what "
                "ends."
            )


def _check_chances(name: str, choices: Sequence[tuple[Symbols, float]]) -> None:
    if not choices:
        raise UserError(f"Rule {name!r} must be written as something. Got nothing.")
    for symbols, chance in choices:
        if not symbols:
            raise UserError(
                f"Rule {name!r} must not be written as nothing. Nearest: the rules that use it, with and "
                "without."
            )
        if not chance > 0:
            raise UserError(
                f"Chances must be above 0. Got {chance} in rule {name!r} for {' '.join(symbols)!r}."
            )
    if len({symbols for symbols, _ in choices}) < len(choices):
        raise UserError(f"What rule {name!r} is written as must differ from each other. Got the same twice.")
    total = sum(chance for _, chance in choices)
    if not math.isclose(total, 1.0, abs_tol=1e-9):
        raise UserError(f"The chances of a rule must sum to 1. Got {total:g} in rule {name!r}.")


def evenly(rules: Mapping[str, Sequence[str]]) -> Grammar:
    """The grammar whose choices are all as likely; symbols stand apart.

    >>> evenly({"s": ["a s b", "a b"]}).rules["s"]
    ((('a', 's', 'b'), 0.5), (('a', 'b'), 0.5))
    """
    return Grammar(
        {
            name: tuple((tuple(c.split()), 1 / len(choices)) for c in choices)
            for name, choices in rules.items()
        }
    )
