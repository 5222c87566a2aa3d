"""Regular expressions, and their automata by Brzozowski's derivatives.

After Brzozowski, "Derivatives of Regular Expressions" (1964): the derivative of an expression by a token
describes what may follow that token. The states of the automaton are the distinct derivatives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from seqlab.languages.automaton import Automaton, uniform_automaton
from seqlab.schema.errors import UserError

MAX_STATES = 2_000
"""Number of states above which an expression is refused."""
_SPECIAL = set("()[]{}|*+?.^$\\")


@dataclass(frozen=True)
class Expression:
    """A regular expression, in a canonical form so that equal derivatives compare equal.

    kind: `nothing` (no string), `empty` (the empty string), `token`, `concatenation` of the parts,
    `alternation` between them, or `repetition` of the only part, any number of times.
    """

    kind: str
    token: str = ""
    parts: tuple[Expression, ...] = ()

    @property
    def nullable(self) -> bool:
        """Whether it matches the empty string."""
        match self.kind:
            case "empty" | "repetition":
                return True
            case "concatenation":
                return all(part.nullable for part in self.parts)
            case "alternation":
                return any(part.nullable for part in self.parts)
        return False

    def derivative(self, token: str) -> Expression:
        """What may follow the token."""
        match self.kind:
            case "token":
                return EMPTY if self.token == token else NOTHING
            case "alternation":
                return _alternation(*(part.derivative(token) for part in self.parts))
            case "repetition":
                return _concatenation(self.parts[0].derivative(token), self)
            case "concatenation":
                first, rest = self.parts[0], _concatenation(*self.parts[1:])
                skipped = rest.derivative(token) if first.nullable else NOTHING
                return _alternation(_concatenation(first.derivative(token), rest), skipped)
        return NOTHING


NOTHING, EMPTY = Expression("nothing"), Expression("empty")


def automaton(pattern: str, stop: float) -> Automaton:
    """The language of a regular expression in which all possible next tokens are equally likely.

    Letters match themselves; `( ) | * + ? {m} {m,n} [abc] [a-z]` mean what they do in Python, and a backslash
    makes the character after it match itself. Where a string may end it does so with probability `stop`, or
    with certainty if nothing can follow.

    >>> automaton("(ab|c)+", 0.5).is_member("abc"), automaton("(ab|c)+", 0.5).is_member("ac")
    (True, False)

    Raises:
        UserError: the expression is malformed (the position is named), matches nothing, or needs too many
            states.
    """
    first = _Parser(pattern).parse()
    alphabet = tuple(sorted(_tokens(first)))
    if not alphabet:
        raise UserError(f"'pattern' must have strings with at least one letter. Got {pattern!r}.")
    states: dict[Expression, int] = {first: 0}
    targets: list[Mapping[str, int]] = []
    for expression in (pending := [first]):  # the list grows while it is iterated over
        row = {}
        for token in alphabet:
            target = expression.derivative(token)
            if target == NOTHING:
                continue
            if target not in states:
                states[target] = len(states)
                pending.append(target)
            row[token] = states[target]
        targets.append(row)
        if len(states) > MAX_STATES:
            raise UserError(
                f"'pattern' must need at most {MAX_STATES:,} states. Got {pattern!r}, which needs more."
            )
    accepting = {number for expression, number in states.items() if expression.nullable}
    return uniform_automaton(alphabet, targets, accepting, stop)


def _tokens(expression: Expression) -> set[str]:
    own = {expression.token} if expression.kind == "token" else set()
    return own.union(*(_tokens(part) for part in expression.parts))


# Without the simplifications below, derivatives of a repetition would grow for ever, and the automaton would
# never be complete.


def _concatenation(*parts: Expression) -> Expression:
    """The parts in a row: flat, without empty ones."""
    flat = [
        p for part in parts for p in (part.parts if part.kind == "concatenation" else (part,)) if p != EMPTY
    ]
    if NOTHING in flat:
        return NOTHING
    if len(flat) < 2:
        return flat[0] if flat else EMPTY
    return Expression("concatenation", parts=tuple(flat))


def _alternation(*parts: Expression) -> Expression:
    """Any of the parts: flat, sorted, each once."""
    flat = {
        p for part in parts for p in (part.parts if part.kind == "alternation" else (part,)) if p != NOTHING
    }
    if len(flat) < 2:
        return next(iter(flat), NOTHING)
    return Expression("alternation", parts=tuple(sorted(flat, key=repr)))


def _repetition(part: Expression) -> Expression:
    """The part any number of times."""
    if part in (EMPTY, NOTHING):
        return EMPTY
    return part if part.kind == "repetition" else Expression("repetition", parts=(part,))


class _Parser:
    """Parses a pattern from left to right by recursive descent."""

    def __init__(self, pattern: str):
        self._pattern, self._position = pattern, 0

    def parse(self) -> Expression:
        found = self._alternatives()
        if self._position < len(self._pattern):
            raise self._error("must not close a parenthesis that is not open")
        return found

    def _alternatives(self) -> Expression:
        parts = [self._sequence()]
        while self._take("|"):
            parts.append(self._sequence())
        return _alternation(*parts)

    def _sequence(self) -> Expression:
        parts = []
        while self._peek not in ("", "|", ")"):
            parts.append(self._repeated())
        return _concatenation(*parts)

    def _repeated(self) -> Expression:
        part = self._single()
        while self._peek in ("*", "+", "?", "{"):
            match self._next():
                case "*":
                    part = _repetition(part)
                case "+":
                    part = _concatenation(part, _repetition(part))
                case "?":
                    part = _alternation(EMPTY, part)
                case _:
                    part = self._counted(part)
        return part

    def _counted(self, part: Expression) -> Expression:
        minimum = self._number()
        maximum: int | None = minimum
        if self._take(","):
            maximum = self._number() if self._peek != "}" else None
        if not self._take("}"):
            raise self._error("must close '{' with '}'")
        if maximum is None:
            return _concatenation(*[part] * minimum, _repetition(part))
        if maximum < minimum:
            raise self._error(f"must repeat from a number to a higher one, not from {minimum} to {maximum}")
        return _concatenation(*[part] * minimum, *[_alternation(EMPTY, part)] * (maximum - minimum))

    def _number(self) -> int:
        digits = ""
        while self._peek.isdigit():
            digits += self._next()
        if not digits:
            raise self._error("must have a number after '{'")
        return int(digits)

    def _single(self) -> Expression:
        character = self._next()
        if character == "(":
            found = self._alternatives()
            if not self._take(")"):
                raise self._error("must close '(' with ')'")
            return found
        if character == "[":
            return self._character_class()
        if character == "\\":
            if not self._peek:
                raise self._error("must have a character after '\\'")
            return Expression("token", self._next())
        if character in _SPECIAL:
            raise self._error(
                f"must not have {character!r} here (after '\\' it matches itself)",
                position=self._position - 1,
            )
        return Expression("token", character)

    def _character_class(self) -> Expression:
        tokens: list[str] = []
        while self._peek != "]":
            if not self._peek or self._peek == "^":
                raise self._error("must close '[' with ']', without '^'")
            first = self._next()
            # A hyphen before the closing bracket is a hyphen, as in Python.
            if self._peek == "-" and self._pattern[self._position + 1 : self._position + 2] not in ("", "]"):
                self._next()
                tokens += [chr(code) for code in range(ord(first), ord(self._next()) + 1)]
            else:
                tokens.append(first)
        self._next()
        if not tokens:
            raise self._error("must have letters between '[' and ']'")
        return _alternation(*(Expression("token", token) for token in tokens))

    @property
    def _peek(self) -> str:
        """The next character; empty at the end."""
        return self._pattern[self._position : self._position + 1]

    def _next(self) -> str:
        self._position += 1
        return self._pattern[self._position - 1]

    def _take(self, character: str) -> bool:
        taken = self._peek == character
        self._position += taken
        return taken

    def _error(self, requirement: str, position: int | None = None) -> UserError:
        position = self._position if position is None else position
        return UserError(f"'pattern' {requirement}. Got {self._pattern!r} at position {position}.")
