"""Regular languages: finite automata with transition probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from typing_extensions import override

from seqlab.languages import markov
from seqlab.languages.language import END, Entropy, FormalLanguage
from seqlab.schema.errors import UserError

MIN_STOP = 1e-9
"""Probability to end below which strings are practically endless."""
Transitions = Mapping[str, tuple[float, int]]
"""Of one state: the probability of each token, and the state after it."""
Targets = Mapping[str, int]
"""Of one state: the state after each token, without probabilities."""


@dataclass(frozen=True)
class Automaton(FormalLanguage[int]):
    """A deterministic automaton; state 0 is the start.

    A string ends in a state with the probability that is left over by the state's transitions.

    >>> from seqlab.languages.automaton import Automaton
    >>> words = Automaton(("a", "b"), ({"a": (1.0, 1)}, {"b": (0.25, 0)}))
    >>> words.is_member("aba"), words.is_member("ab"), dict(words.distribution(1))
    (True, False, {'b': 0.25, '.end': 0.75})
    """

    length_follows_from: ClassVar[str] = "the probability to end ('stop')"
    symbols: tuple[str, ...]
    transitions: tuple[Transitions, ...]

    def __post_init__(self) -> None:
        for state, row in enumerate(self.transitions):
            total = sum(probability for probability, _ in row.values())
            if not all(0 < probability <= 1 for probability, _ in row.values()) or total > 1 + 1e-12:
                raise UserError(
                    "Probabilities of a state must be above 0 and sum to at most 1. "
                    f"Got {total} in state {state}."
                )
        _check_that_strings_end(self.transitions)

    @property
    @override
    def alphabet(self) -> tuple[str, ...]:
        return self.symbols

    @override
    def start(self) -> int:
        return 0

    @override
    def distribution(self, state: int) -> dict[str, float]:
        probabilities = {token: probability for token, (probability, _) in self.transitions[state].items()}
        rest = 1.0 - sum(probabilities.values())
        # Sums such as 3 * (1/3) round to just below 1; that rest is not an end.
        return {**probabilities, END: rest} if rest > 1e-12 else probabilities

    @override
    def advance(self, state: int, token: str) -> int:
        return self.transitions[state][token][1]

    @override
    def entropy(self) -> Entropy:
        return self._entropy

    @cached_property
    def _entropy(self) -> Entropy:
        return markov.entropy(self)


def uniform_automaton(
    alphabet: Sequence[str], targets: Sequence[Targets], accepting: set[int], stop: float
) -> Automaton:
    """An automaton with equally likely tokens, which ends in accepting states with probability `stop`.

    Tokens after which no accepting state can be reached are left out. A state without any other token ends
    with certainty.

    Raises:
        UserError: the language is empty, or `stop` is not from 1e-9 to 1.
    """
    if not 0 < stop <= 1:
        raise UserError(f"'stop' must be above 0 and at most 1. Got {stop}.")
    if stop < MIN_STOP:
        raise UserError(
            f"'stop' must be at least {MIN_STOP}, or strings would be practically endless. Got {stop}."
        )
    useful = _states_reaching(targets, accepting)
    if 0 not in useful:
        raise UserError("A language must have at least one string. Got none.")
    transitions: list[Transitions] = []
    for state, row in enumerate(targets):
        live = {token: target for token, target in row.items() if target in useful}
        share = (1 - stop if state in accepting else 1.0) / max(1, len(live))
        transitions.append({token: (share, target) for token, target in live.items() if share > 0})
    return Automaton(tuple(alphabet), tuple(transitions))


def _states_reaching(targets: Sequence[Targets], wanted: set[int]) -> set[int]:
    """States from which one of the wanted ones can be reached."""
    sources: dict[int, list[int]] = {}
    for state, row in enumerate(targets):
        for target in row.values():
            sources.setdefault(target, []).append(state)
    found, pending = set(wanted), list(wanted)
    while pending:
        new = set(sources.get(pending.pop(), ())) - found
        found |= new
        pending += new
    return found


def _check_that_strings_end(transitions: Sequence[Transitions]) -> None:
    """Make sure that from every reachable state an end can be reached."""
    ending = {s for s, row in enumerate(transitions) if sum(p for p, _ in row.values()) < 1 - 1e-12}
    targets = [{token: target for token, (_, target) in row.items()} for row in transitions]
    useful, seen, new = _states_reaching(targets, ending), set[int](), {0}
    while new:
        seen |= new
        new = {target for state in new for target in targets[state].values()} - seen
    for state in sorted(seen - useful):
        raise UserError(f"Every string must end. Got state {state}, from which no end can be reached.")
