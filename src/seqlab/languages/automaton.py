"""Regular languages: finite automata whose moves have probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from typing_extensions import override

from seqlab.languages import markov
from seqlab.languages.language import END, Entropy, FormalLanguage
from seqlab.schema.errors import UserError

Moves = Mapping[str, tuple[float, int]]
"""Of one state: for each token its chance and the state behind it."""


@dataclass(frozen=True)
class Automaton(FormalLanguage[int]):
    """A deterministic automaton; state 0 is the first. What a state's moves leave to 1 is its chance to end.

    >>> from seqlab.languages.automaton import Automaton
    >>> words = Automaton(("a", "b"), ({"a": (1.0, 1)}, {"b": (0.25, 0)}))
    >>> words.is_member("aba"), words.is_member("ab"), dict(words.distribution(1))
    (True, False, {'b': 0.25, '.end': 0.75})
    """

    symbols: tuple[str, ...]
    moves: tuple[Moves, ...]

    def __post_init__(self) -> None:
        for state, moves in enumerate(self.moves):
            total = sum(chance for chance, _ in moves.values())
            if not all(0 < chance <= 1 for chance, _ in moves.values()) or total > 1 + 1e-12:
                raise UserError(
                    f"Chances of a state must be above 0 and sum to 1. Got {total} in state {state}."
                )
        _check_that_strings_end(self.moves)

    @property
    @override
    def alphabet(self) -> tuple[str, ...]:
        return self.symbols

    @override
    def start(self) -> int:
        return 0

    @override
    def distribution(self, state: int) -> dict[str, float]:
        found = {token: chance for token, (chance, _) in self.moves[state].items()}
        rest = 1.0 - sum(found.values())
        return {**found, END: rest} if rest > 1e-12 else found

    @override
    def advance(self, state: int, token: str) -> int:
        return self.moves[state][token][1]

    def entropy(self) -> Entropy:
        """In closed form; see `markov.entropy`."""
        return markov.entropy(self)


def evenly(
    alphabet: Sequence[str], moves: Sequence[Mapping[str, int]], accepting: set[int], stop: float
) -> Automaton:
    """The automaton that a bare one becomes when an accepting state ends with the chance `stop`.

    Tokens behind which no accepting state can be reached are left out, all others are as likely. A state
    with none of them ends for certain.

    Raises:
        UserError: there are no strings, or `stop` is not above 0 and at most 1.
    """
    if not 0 < stop <= 1:
        raise UserError(f"'stop' must be above 0 and at most 1. Got {stop}.")
    useful = _leading_to(moves, accepting)
    if 0 not in useful:
        raise UserError("A language must have at least one string. Got none.")
    found: list[Moves] = []
    for state, row in enumerate(moves):
        live = {token: behind for token, behind in row.items() if behind in useful}
        share = (1 - stop if state in accepting else 1.0) / max(1, len(live))
        found.append({token: (share, behind) for token, behind in live.items() if share > 0})
    return Automaton(tuple(alphabet), tuple(found))


def _leading_to(moves: Sequence[Mapping[str, int]], wanted: set[int]) -> set[int]:
    """States from which one of the wanted ones can be reached."""
    found, size = set(wanted), -1
    while len(found) != size:
        size = len(found)
        found |= {state for state, row in enumerate(moves) if found & set(row.values())}
    return found


def _check_that_strings_end(moves: Sequence[Moves]) -> None:
    """From each state that can be reached some end can be."""
    ending = {s for s, row in enumerate(moves) if sum(chance for chance, _ in row.values()) < 1 - 1e-12}
    bare = [{token: behind for token, (_, behind) in row.items()} for row in moves]
    useful, seen, new = _leading_to(bare, ending), set[int](), {0}
    while new:
        seen |= new
        new = {behind for state in new for behind in bare[state].values()} - seen
    for state in sorted(seen - useful):
        raise UserError(f"Every string must end. Got state {state}, behind which none does.")
