"""Known regular languages: Tomita's seven, parity, and one word repeated."""

from __future__ import annotations

from collections.abc import Callable

from seqlab.languages.automaton import Automaton, evenly
from seqlab.schema.errors import UserError

BITS = ("0", "1")


def ndfa(words: tuple[str, ...], stop: float) -> Automaton:
    """`s`, one of the words (each as likely) k times, `s`; k is geometric with chance `stop`, 0 is legal.

    >>> language = ndfa(("abc!", "uvw!"), 0.25)
    >>> language.is_member("sabc!abc!s"), language.is_member("ss"), language.is_member("sabc!uvw!s")
    (True, True, False)
    """
    first, last = 1, 2
    moves: list[dict[str, tuple[float, int]]] = [{"s": (1.0, first)}, {"s": (stop, last)}, {}]
    for word in words:
        begin = len(moves)
        moves[first][word[0]] = ((1 - stop) / len(words), begin)
        # State begin + i stands behind the word's token i; the last one chooses to stop or to go round.
        moves += [{token: (1.0, begin + place)} for place, token in enumerate(word[1:], start=1)]
        moves.append({"s": (stop, last), word[0]: (1 - stop, begin)})
    return Automaton(tuple(sorted({"s", *"".join(words)})), tuple(moves))


def parity(stop: float) -> Automaton:
    """Bits with an even number of ones.

    >>> parity(0.1).is_member("0110"), parity(0.1).is_member("1")
    (True, False)
    """
    return evenly(BITS, [{"0": 0, "1": 1}, {"0": 1, "1": 0}], {0}, stop)


def tomita(number: int, stop: float) -> Automaton:
    """Tomita's (1982) seven languages of bits.

    1: only ones; 2: `10` repeated; 3: no odd run of ones right before an odd run of zeros; 4: no `000`;
    5: zeros and ones both even in number; 6: zeros minus ones divisible by 3; 7: 0*1*0*1*.

    >>> [n for n in range(1, 8) if tomita(n, 0.1).is_member("1010")]
    [2, 4, 5, 6]
    >>> [n for n in range(1, 8) if tomita(n, 0.1).is_member("100111")]
    [3, 4, 5, 7]

    Raises:
        UserError: there is no such number.
    """
    if number not in _TOMITA:
        raise UserError(f"'number' must be from 1 to 7. Got {number}. Nearest: {min(7, max(1, number))}.")
    moves, accepting = _TOMITA[number]()
    return evenly(BITS, moves, accepting, stop)


_Bare = tuple[list[dict[str, int]], set[int]]


def _moves(*rows: str) -> list[dict[str, int]]:
    """Rows of two digits, the states behind 0 and 1; `.` leads nowhere."""
    return [{bit: int(to) for bit, to in zip(BITS, row, strict=True) if to != "."} for row in rows]


def _tomita_1() -> _Bare:
    return _moves(".0"), {0}


def _tomita_2() -> _Bare:
    return _moves(".1", "0."), {0}


def _tomita_3() -> _Bare:
    # 0: even ones, 1: odd ones, 2: odd ones and then odd zeros, 3: odd ones and then even zeros.
    return _moves("01", "20", "3.", "21"), {0, 1, 3}


def _tomita_4() -> _Bare:
    return _moves("10", "20", ".0"), {0, 1, 2}


def _tomita_5() -> _Bare:
    # Zeros odd: +1; ones odd: +2.
    return _moves("12", "03", "30", "21"), {0}


def _tomita_6() -> _Bare:
    return _moves("12", "20", "01"), {0}


def _tomita_7() -> _Bare:
    return _moves("01", "21", "23", ".3"), {0, 1, 2, 3}


_TOMITA: dict[int, Callable[[], _Bare]] = {
    1: _tomita_1,
    2: _tomita_2,
    3: _tomita_3,
    4: _tomita_4,
    5: _tomita_5,
    6: _tomita_6,
    7: _tomita_7,
}
