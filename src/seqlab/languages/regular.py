"""Well-known regular languages: Tomita's seven, parity, and the repetition of one word."""

from __future__ import annotations

from collections.abc import Callable

from seqlab.languages.automaton import Automaton, uniform_automaton
from seqlab.schema.errors import UserError

BITS = ("0", "1")


def ndfa(words: tuple[str, ...], stop: float) -> Automaton:
    """`s`, k repetitions of one of the equally likely words, `s`; k >= 0 is geometric with parameter `stop`.

    >>> language = ndfa(("abc!", "uvw!"), 0.25)
    >>> language.is_member("sabc!abc!s"), language.is_member("ss"), language.is_member("sabc!uvw!s")
    (True, True, False)
    """
    first, last = 1, 2
    transitions: list[dict[str, tuple[float, int]]] = [{"s": (1.0, first)}, {"s": (stop, last)}, {}]
    for word in words:
        begin = len(transitions)
        transitions[first][word[0]] = ((1 - stop) / len(words), begin)
        # State begin + i is the one after the word's token i; after the last token the string stops or the
        # word begins again.
        transitions += [{token: (1.0, begin + i)} for i, token in enumerate(word[1:], start=1)]
        transitions.append({"s": (stop, last), word[0]: (1 - stop, begin)})
    return Automaton(tuple(sorted({"s", *"".join(words)})), tuple(transitions))


def parity(stop: float) -> Automaton:
    """Bits with an even number of ones.

    >>> parity(0.1).is_member("0110"), parity(0.1).is_member("1")
    (True, False)
    """
    return uniform_automaton(BITS, [{"0": 0, "1": 1}, {"0": 1, "1": 0}], {0}, stop)


def tomita(number: int, stop: float) -> Automaton:
    """The seven languages of bits of Tomita (1982).

    1: only ones; 2: `10` repeated; 3: no odd run of ones directly followed by an odd run of zeros; 4: no
    `000`; 5: even numbers of zeros and of ones; 6: zeros minus ones divisible by 3; 7: 0*1*0*1*.

    >>> [n for n in range(1, 8) if tomita(n, 0.1).is_member("1010")]
    [2, 4, 5, 6]
    >>> [n for n in range(1, 8) if tomita(n, 0.1).is_member("100111")]
    [3, 4, 5, 7]

    Raises:
        UserError: the number is not from 1 to 7.
    """
    if number not in _TOMITA:
        raise UserError(f"'number' must be from 1 to 7. Got {number}. Nearest: {min(7, max(1, number))}.")
    targets, accepting = _TOMITA[number]()
    return uniform_automaton(BITS, targets, accepting, stop)


_Machine = tuple[list[dict[str, int]], set[int]]
"""The state after each token in each state, and the accepting states."""


def _targets(*rows: str) -> list[dict[str, int]]:
    """One row per state: two digits, the states after 0 and after 1; `.` is no transition."""
    return [{bit: int(to) for bit, to in zip(BITS, row, strict=True) if to != "."} for row in rows]


def _tomita_1() -> _Machine:
    return _targets(".0"), {0}


def _tomita_2() -> _Machine:
    return _targets(".1", "0."), {0}


def _tomita_3() -> _Machine:
    # States: 0 even ones, 1 odd ones, 2 odd ones then odd zeros, 3 odd ones then even zeros.
    return _targets("01", "20", "3.", "21"), {0, 1, 3}


def _tomita_4() -> _Machine:
    return _targets("10", "20", ".0"), {0, 1, 2}


def _tomita_5() -> _Machine:
    # The state's number is 1 for odd zeros plus 2 for odd ones.
    return _targets("12", "03", "30", "21"), {0}


def _tomita_6() -> _Machine:
    return _targets("12", "20", "01"), {0}


def _tomita_7() -> _Machine:
    return _targets("01", "21", "23", ".3"), {0, 1, 2, 3}


_TOMITA: dict[int, Callable[[], _Machine]] = {
    1: _tomita_1,
    2: _tomita_2,
    3: _tomita_3,
    4: _tomita_4,
    5: _tomita_5,
    6: _tomita_6,
    7: _tomita_7,
}
