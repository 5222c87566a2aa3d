"""Regular expressions, and the automaton of one by Brzozowski's (1964) derivatives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from seqlab.languages.automaton import Automaton, evenly
from seqlab.schema.errors import UserError

MOST_STATES = 2_000
"""States above which an expression is refused."""
_SPECIAL = set("()[]{}|*+?.^$\\")


@dataclass(frozen=True)
class Expression:
    """No string (kind `none`), the empty one (`empty`), one token (`one`), or made of parts.

    `then` is one part behind the other, `any` one of them, `many` the part as often as one likes.
    """

    kind: str
    token: str = ""
    parts: tuple[Expression, ...] = ()

    @property
    def nullable(self) -> bool:
        """Whether it has the empty string."""
        match self.kind:
            case "empty" | "many":
                return True
            case "then":
                return all(part.nullable for part in self.parts)
            case "any":
                return any(part.nullable for part in self.parts)
        return False

    def behind(self, token: str) -> Expression:
        """What may stand behind the token: the derivative."""
        match self.kind:
            case "one":
                return EMPTY if self.token == token else NONE
            case "any":
                return _any(*(part.behind(token) for part in self.parts))
            case "many":
                return _then(self.parts[0].behind(token), self)
            case "then":
                first, rest = self.parts[0], _then(*self.parts[1:])
                gone = rest.behind(token) if first.nullable else NONE
                return _any(_then(first.behind(token), rest), gone)
        return NONE


NONE, EMPTY = Expression("none"), Expression("empty")


def automaton(pattern: str, stop: float) -> Automaton:
    """The language of a regular expression, its continuations as likely as each other.

    Letters stand for themselves; `( ) | * + ? {m} {m,n} [abc] [a-z]` mean what they do in Python, and a
    backslash takes a sign for itself. Where a string may end it does with chance `stop`, or for certain
    where nothing can follow.

    >>> automaton("(ab|c)+", 0.5).is_member("abc"), automaton("(ab|c)+", 0.5).is_member("ac")
    (True, False)

    Raises:
        UserError: the expression is wrong (the place is named), has no string, or has too many states.
    """
    first = _Reader(pattern).read()
    alphabet = tuple(sorted(_tokens(first)))
    if not alphabet:
        raise UserError(f"'pattern' must have strings with at least one letter. Got {pattern!r}.")
    numbers: dict[Expression, int] = {first: 0}
    moves: list[Mapping[str, int]] = []
    for expression in (waiting := [first]):
        row = {}
        for token in alphabet:
            behind = expression.behind(token)
            if behind == NONE:
                continue
            if behind not in numbers:
                numbers[behind] = len(numbers)
                waiting.append(behind)
            row[token] = numbers[behind]
        moves.append(row)
        if len(numbers) > MOST_STATES:
            raise UserError(
                f"'pattern' must need at most {MOST_STATES:,} states. Got {pattern!r}, which needs more."
            )
    return evenly(alphabet, moves, {number for e, number in numbers.items() if e.nullable}, stop)


def _tokens(expression: Expression) -> set[str]:
    own = {expression.token} if expression.kind == "one" else set()
    return own.union(*(_tokens(part) for part in expression.parts))


def _then(*parts: Expression) -> Expression:
    """One behind the other, in the one way that equal ones are written."""
    flat = [p for part in parts for p in (part.parts if part.kind == "then" else (part,)) if p != EMPTY]
    if NONE in flat:
        return NONE
    if len(flat) < 2:
        return flat[0] if flat else EMPTY
    return Expression("then", parts=tuple(flat))


def _any(*parts: Expression) -> Expression:
    """Any of them, in the one way that equal ones are written."""
    flat = {p for part in parts for p in (part.parts if part.kind == "any" else (part,)) if p != NONE}
    if len(flat) < 2:
        return next(iter(flat), NONE)
    return Expression("any", parts=tuple(sorted(flat, key=repr)))


def _many(part: Expression) -> Expression:
    return (
        part if part.kind == "many" else EMPTY if part in (EMPTY, NONE) else Expression("many", parts=(part,))
    )


class _Reader:
    """Reads a pattern from left to right."""

    def __init__(self, pattern: str):
        self._pattern, self._place = pattern, 0

    def read(self) -> Expression:
        found = self._either()
        if self._place < len(self._pattern):
            raise self._error("must close only what is open")
        return found

    def _either(self) -> Expression:
        parts = [self._row()]
        while self._take("|"):
            parts.append(self._row())
        return _any(*parts)

    def _row(self) -> Expression:
        parts = []
        while self._sign not in ("", "|", ")"):
            parts.append(self._repeated())
        return _then(*parts)

    def _repeated(self) -> Expression:
        part = self._single()
        while self._sign in ("*", "+", "?", "{"):
            sign = self._next()
            if sign == "{":
                part = self._counted(part)
            else:
                part = {"*": _many(part), "+": _then(part, _many(part)), "?": _any(EMPTY, part)}[sign]
        return part

    def _counted(self, part: Expression) -> Expression:
        least = self._number()
        most: int | None = least
        if self._take(","):
            most = self._number() if self._sign != "}" else None
        if not self._take("}"):
            raise self._error("must close '{' with '}'")
        if most is None:
            return _then(*[part] * least, _many(part))
        if most < least:
            raise self._error(f"must repeat from a number to a higher one, not from {least} to {most}")
        return _then(*[part] * least, *[_any(EMPTY, part)] * (most - least))

    def _number(self) -> int:
        digits = ""
        while self._sign.isdigit():
            digits += self._next()
        if not digits:
            raise self._error("must have a number behind '{'")
        return int(digits)

    def _single(self) -> Expression:
        sign = self._next()
        if sign == "(":
            found = self._either()
            if not self._take(")"):
                raise self._error("must close '(' with ')'")
            return found
        if sign == "[":
            return self._class()
        if sign == "\\":
            if not self._sign:
                raise self._error("must have a sign behind '\\'")
            return Expression("one", self._next())
        if sign in _SPECIAL:
            raise self._error(f"must not have {sign!r} here (behind '\\' it stands for itself)", back=1)
        return Expression("one", sign)

    def _class(self) -> Expression:
        tokens: list[str] = []
        while self._sign != "]":
            if not self._sign or self._sign == "^":
                raise self._error("must close '[' with ']', without '^'")
            first = self._next()
            if self._sign == "-" and self._pattern[self._place + 1 : self._place + 2] not in ("", "]"):
                self._next()
                tokens += [chr(code) for code in range(ord(first), ord(self._next()) + 1)]
            else:
                tokens.append(first)
        self._next()
        if not tokens:
            raise self._error("must have letters between '[' and ']'")
        return _any(*(Expression("one", token) for token in tokens))

    @property
    def _sign(self) -> str:
        return self._pattern[self._place : self._place + 1]

    def _next(self) -> str:
        self._place += 1
        return self._pattern[self._place - 1]

    def _take(self, sign: str) -> bool:
        taken = self._sign == sign
        self._place += taken
        return taken

    def _error(self, what: str, back: int = 0) -> UserError:
        return UserError(f"'pattern' {what}. Got {self._pattern!r} at place {self._place - back}.")
