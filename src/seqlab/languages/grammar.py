"""Weighted context-free grammars, validated: every rule is used, and every string ends."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from seqlab.languages.language import END
from seqlab.schema.errors import UserError

MAX_RULES = 2_000
"""Names of rules above which a grammar is refused: sums over derivations take the cube of their number."""
Symbols = tuple[str, ...]
"""The right-hand side of a rule, or a part of it: words and names of rules."""
Rules = Mapping[str, tuple[tuple[Symbols, float], ...]]
"""The choices of each name, with probabilities that sum to 1."""


@dataclass(frozen=True)
class Grammar:
    """Rules, of which the first one is that of a whole string. A symbol without a rule is a word.

    Raises:
        UserError: probabilities do not sum to 1; a name is unreachable or never ends; something is empty; a
            name derives itself alone; or strings have no mean length.
    """

    rules: Rules

    def __post_init__(self) -> None:
        if not self.rules:
            raise UserError("A grammar must have at least one rule. Got none.")
        if len(self.rules) > MAX_RULES:
            raise UserError(f"A grammar must have at most {MAX_RULES:,} rules. Got {len(self.rules):,}.")
        for name, choices in self.rules.items():
            _check_choices(name, choices)
        self._check_reachable()
        self._check_productive()
        self._check_cycles()
        self._check_mean_length()

    @property
    def start(self) -> str:
        """The name of a whole string."""
        return next(iter(self.rules))

    @cached_property
    def words(self) -> tuple[str, ...]:
        """Every word, sorted."""
        every = (s for choices in self.rules.values() for symbols, _ in choices for s in symbols)
        return tuple(sorted({symbol for symbol in every if symbol not in self.rules}))

    @cached_property
    def mean_uses(self) -> dict[str, float]:
        """How often each name is expanded in the derivation of a string, on average."""
        names = list(self.rules)
        begin = np.zeros(len(names))
        begin[0] = 1.0
        try:
            uses = np.linalg.solve(np.eye(len(names)) - self._expected().T, begin)
        except np.linalg.LinAlgError:  # of numbers that are too large for floats
            uses = np.full(len(names), math.inf)
        return dict(zip(names, uses.tolist(), strict=True))

    def mean_sum(self, size: Callable[[str], int]) -> float:
        """Sum of the sizes of a string's words, on average."""
        return sum(
            self.mean_uses[name] * probability * sum(size(s) for s in symbols if s not in self.rules)
            for name, choices in self.rules.items()
            for symbols, probability in choices
        )

    @cached_property
    def derivation_nats(self) -> float:
        """Entropy of derivations, in nats. It is that of strings if each string has one derivation only."""
        return sum(
            -self.mean_uses[name] * probability * math.log(probability)
            for name, choices in self.rules.items()
            for _, probability in choices
        )

    def _expected(self) -> np.ndarray:
        """(N, N): how often one expansion of each name (row) writes each other name (column), on average."""
        indices = {name: index for index, name in enumerate(self.rules)}
        found = np.zeros((len(indices), len(indices)))
        for name, choices in self.rules.items():
            for symbols, probability in choices:
                for symbol in symbols:
                    if symbol in indices:
                        found[indices[name], indices[symbol]] += probability
        return found

    def _check_reachable(self) -> None:
        seen, new = set[str](), {self.start}
        while new:
            seen |= new
            new = {
                s for name in new for symbols, _ in self.rules[name] for s in symbols if s in self.rules
            } - seen
        for name in self.rules:
            if name not in seen:
                raise UserError(
                    f"Every rule must be reachable from {self.start!r}. Got {name!r}, which is not."
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
            raise UserError(f"A grammar must have strings. Got none: {self.start!r} never ends.")
        for name in self.rules:
            if name not in ending:
                raise UserError(f"Every rule must end. Got {name!r}, which never does.")

    def _check_cycles(self) -> None:
        alone = {
            name: {symbols[0] for symbols, _ in choices if len(symbols) == 1 and symbols[0] in self.rules}
            for name, choices in self.rules.items()
        }
        for name in self.rules:
            seen, new = set[str](), set(alone[name])
            while new:
                seen |= new
                new = set().union(*(alone[other] for other in new)) - seen
            if name in seen:
                raise UserError(
                    "A rule must not derive itself alone, directly or through others, because then a string "
                    f"has infinitely many derivations. Got {name!r}."
                )

    def _check_mean_length(self) -> None:
        # Expansions form a branching process, which dies out with a finite mean if and only if the spectral
        # radius of the matrix of expected offspring is below 1.
        radius = _spectral_radius(self._expected())
        if radius >= 1 - 1e-9:
            raise UserError(
                "Strings must have a finite mean length. Got rules that write themselves "
                f"{radius:.3f} times on average, which must be below 1. Nearest: a higher probability for "
                "choices that end."
            )


def _spectral_radius(matrix: np.ndarray) -> float:
    """The largest absolute eigenvalue, which is one of a strongly connected part of the matrix."""
    count, parts = connected_components(csr_matrix(matrix), directed=True, connection="strong")
    rows = [np.flatnonzero(parts == part) for part in range(count)]
    return max(float(np.abs(np.linalg.eigvals(matrix[np.ix_(part, part)])).max()) for part in rows)


def _check_choices(name: str, choices: Sequence[tuple[Symbols, float]]) -> None:
    if name.split() != [name]:
        raise UserError(f"The name of a rule must be one word. Got {name!r}.")
    if not choices:
        raise UserError(f"Rule {name!r} must have at least one choice. Got none.")
    for symbols, probability in choices:
        if not symbols:
            raise UserError(
                f"Choices of rule {name!r} must not be empty. Got an empty one. Nearest: in the rules that "
                f"use {name!r}, one choice with it and one without it."
            )
        if not probability > 0:
            raise UserError(
                f"Probabilities must be above 0. Got {probability} for {' '.join(symbols)!r} in rule "
                f"{name!r}."
            )
    if any(END in symbols for symbols, _ in choices):
        raise UserError(f"{END!r} must not be a word: it is the end of a string. Got it in rule {name!r}.")
    if len({symbols for symbols, _ in choices}) < len(choices):
        raise UserError(f"Choices of rule {name!r} must differ from each other. Got the same one twice.")
    total = sum(probability for _, probability in choices)
    if not math.isclose(total, 1.0, abs_tol=1e-9):
        raise UserError(f"The probabilities of a rule must sum to 1. Got {total:g} in rule {name!r}.")


def uniform_grammar(rules: Mapping[str, Sequence[str]]) -> Grammar:
    """The grammar in which all choices of a name are equally likely; symbols are separated by spaces.

    >>> uniform_grammar({"s": ["a s b", "a b"]}).rules["s"]
    ((('a', 's', 'b'), 0.5), (('a', 'b'), 0.5))
    """
    return Grammar(
        {
            name: tuple((tuple(choice.split()), 1 / len(choices)) for choice in choices)
            for name, choices in rules.items()
        }
    )
