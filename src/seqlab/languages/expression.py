"""Regular expressions, read by Python's own parser, and their deterministic automata.

After Glushkov, "The abstract theory of automata" (1961): each letter that is written in an expression is a
position, and what matters of a text is which positions may come next. Sets of positions are integers, whose
bit i is position i.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from seqlab.languages.automaton import Automaton, uniform_automaton
from seqlab.schema.errors import UserError

if TYPE_CHECKING:
    import sre_constants as constants
    import sre_parse as parser
else:
    from re import _constants as constants
    from re import _parser as parser

MAX_STATES = 2_000
"""Number of states above which an expression is refused."""
MAX_TRANSITIONS = 200_000
"""Number of transitions above which an expression is refused."""
MAX_POSITIONS = 10_000
"""Letters and classes, each as often as it is repeated, above which an expression is refused."""
MAX_WORK = 2_000_000
"""Positions visited while the automaton is built, above which an expression is refused: about a second."""
MAX_LETTERS = 1_000
"""Letters of a class, and different letters of an expression, above which it is refused."""
_SURROGATES = range(0xD800, 0xE000)
_REPEATS = (constants.MAX_REPEAT, constants.MIN_REPEAT)
"""Greedy and lazy: as the whole text must match, they match the same texts."""
_REFUSED = {
    constants.ANY: "'.' (every character)",
    constants.NOT_LITERAL: "'[^...]' (all other characters)",
    constants.NEGATE: "'[^...]' (all other characters)",
    constants.CATEGORY: "classes such as '\\d', '\\w' and '\\s' (every such character of Unicode)",
    constants.AT: "anchors such as '^', '$' and '\\b' (the whole text is matched without them)",
    constants.ASSERT: "lookaround",
    constants.ASSERT_NOT: "lookaround",
    constants.GROUPREF: "references to groups",
    constants.GROUPREF_EXISTS: "references to groups",
    constants.POSSESSIVE_REPEAT: "possessive repetition",
    constants.ATOMIC_GROUP: "atomic groups",
}
_Node = tuple[Any, Any]
"""Of the parser: the kind and what belongs to it."""


def automaton(pattern: str, stop: float) -> Automaton:
    """The language of a regular expression in which all possible next tokens are equally likely.

    It has the texts that `re.fullmatch` accepts, each character a token. What is not a plain regular
    expression is refused: classes without a list of letters, anchors, lookaround, references, possessive
    repetition, upper case for lower case. Where a string may end it does so with probability `stop`, or with
    certainty if nothing can follow.

    >>> automaton("(ab|c)+", 0.5).is_member("abc"), automaton("(ab|c)+", 0.5).is_member("ac")
    (True, False)

    Raises:
        UserError: the expression is malformed (the position is named), has what is refused, matches nothing
            but the empty text, or needs too many states.
    """
    positions = _Positions(pattern)
    start = positions.read()
    alphabet = sorted(positions.having)
    if not alphabet:
        raise UserError(f"'pattern' must have strings with at least one letter. Got {pattern!r}.")
    # A state: the positions that may come next, and whether the text may end.
    states: dict[tuple[int, bool], int] = {(start.first, start.nullable): 0}
    targets: list[dict[str, int]] = []
    for possible, _ in (pending := list(states)):  # the list grows while it is iterated over
        row, reached = {}, {}
        for letter in alphabet:
            read = possible & positions.having[letter]
            if not read:
                continue
            # Letters of one class are written at the same positions.
            target = reached.get(read) or (positions.after(read), bool(read & start.last))
            reached[read] = target
            if target not in states:
                states[target] = len(states)
                pending.append(target)
            row[letter] = states[target]
        targets.append(row)
        if len(states) > MAX_STATES or sum(map(len, targets)) > MAX_TRANSITIONS:
            raise UserError(
                f"'pattern' must need at most {MAX_STATES:,} states and {MAX_TRANSITIONS:,} transitions "
                f"between them. Got {_shortened(pattern)}, which needs more."
            )
    accepting = {number for (_, may_end), number in states.items() if may_end}
    return uniform_automaton(alphabet, targets, accepting, stop)


@dataclass(frozen=True)
class _Fragment:
    """A part of an expression: whether it matches the empty text, and where its texts can begin and end."""

    nullable: bool = True
    first: int = 0
    last: int = 0


@dataclass
class _Positions:
    """The positions of an expression.

    having: of each letter, the positions where it is written. follow: of each position, those after it.
    work: positions visited so far.
    """

    pattern: str
    having: dict[str, int] = field(default_factory=dict)
    follow: list[int] = field(default_factory=list)
    work: int = 0

    def read(self) -> _Fragment:
        """All positions of the expression."""
        try:
            tree = _parsed(self.pattern)
            self._check_flags(tree.state.flags)
            nodes: list[_Node] = tree.data
            count = sum(map(_count, nodes))
            if count > MAX_POSITIONS:
                self._refuse(f"must repeat its letters at most {MAX_POSITIONS:,} times", f"{count:,} letters")
            return self._sequence(nodes)
        except RecursionError:
            raise UserError("'pattern' must not be nested so deeply. Got too many levels.") from None

    def after(self, read: int) -> int:
        """The positions that may follow any of these."""
        found = 0
        for position in self._visited(read):
            found |= self.follow[position]
        return found

    def _sequence(self, nodes: list[_Node]) -> _Fragment:
        part = _Fragment()
        for node in nodes:
            part = self._joined(part, self._part(node))
        return part

    def _joined(self, one: _Fragment, other: _Fragment) -> _Fragment:
        self._connect(one.last, other.first)
        return _Fragment(
            one.nullable and other.nullable,
            one.first | (other.first if one.nullable else 0),
            other.last | (one.last if other.nullable else 0),
        )

    def _part(self, node: _Node) -> _Fragment:
        kind, content = node
        if kind == constants.LITERAL:
            return self._letters([(content, content)])
        if kind == constants.IN:
            return self._letters([self._range(item) for item in content])
        if kind == constants.BRANCH:
            parts = [self._sequence(list(branch)) for branch in content[1]]
            first = last = 0
            for part in parts:
                first, last = first | part.first, last | part.last
            return _Fragment(any(part.nullable for part in parts), first, last)
        if kind == constants.SUBPATTERN:
            _, flags, _, nodes = content
            self._check_flags(flags)
            return self._sequence(list(nodes))
        if kind in _REPEATS:
            return self._repeated(*content)
        return self._refuse_kind(kind)

    def _repeated(self, least: int, most: int, nodes: Any) -> _Fragment:
        """Copies in a row: the text may go from each one to the next, and end after enough of them."""
        endless = most == constants.MAXREPEAT
        whole = _Fragment(nullable=least == 0)
        copies = _copies(least, most)
        previous = _Fragment()
        for number in range(1, copies + 1):
            copy = self._sequence(list(nodes))
            self._connect(previous.last, copy.first)
            # If a copy may be empty, so may all: fewer copies are then as good as more.
            ends = number >= least or copy.nullable
            whole = _Fragment(
                whole.nullable or copy.nullable,
                whole.first | (copy.first if number == 1 else 0),
                whole.last | (copy.last if ends else 0),
            )
            previous = copy
        if endless:
            self._connect(previous.last, previous.first)
        return whole

    def _letters(self, ranges: list[tuple[int, int]]) -> _Fragment:
        size = sum(high - low + 1 for low, high in ranges)
        if size > MAX_LETTERS:
            self._refuse(f"must have at most {MAX_LETTERS:,} letters in a class", f"{size:,}")
        if any(low < _SURROGATES.stop and high >= _SURROGATES.start for low, high in ranges):
            self._refuse("must consist of characters", "half of a surrogate pair")
        position = 1 << len(self.follow)
        self.follow.append(0)
        for letter in {chr(code) for low, high in ranges for code in range(low, high + 1)}:
            self.having[letter] = self.having.get(letter, 0) | position
        if len(self.having) > MAX_LETTERS:
            self._refuse(f"must have at most {MAX_LETTERS:,} different letters", "more")
        return _Fragment(nullable=False, first=position, last=position)

    def _range(self, item: _Node) -> tuple[int, int]:
        kind, content = item
        if kind == constants.LITERAL:
            return content, content
        return content if kind == constants.RANGE else self._refuse_kind(kind)

    def _connect(self, before: int, after: int) -> None:
        for position in self._visited(before):
            self.follow[position] |= after

    def _visited(self, positions: int) -> Iterator[int]:
        self.work += positions.bit_count()
        if self.work > MAX_WORK:
            self._refuse("must have fewer parts that can follow each other", "too many")
        return _bits(positions)

    def _check_flags(self, flags: int) -> None:
        if flags & re.IGNORECASE:
            self._refuse("must write upper and lower case letters", "the flag 'i'")

    def _refuse_kind(self, kind: Any) -> NoReturn:
        self._refuse(
            "must consist of letters, `( ) | * + ? {m} {m,n} [abc] [a-z]` and escaped characters",
            _REFUSED.get(kind, str(kind).lower()),
        )

    def _refuse(self, requirement: str, found: str) -> NoReturn:
        raise UserError(f"'pattern' {requirement}. Got {found} in {_shortened(self.pattern)}.")


def _parsed(pattern: str) -> parser.SubPattern:
    """The tree of an expression as Python reads it."""
    try:
        with warnings.catch_warnings():
            # Python warns of what it will read otherwise one day.
            warnings.simplefilter("ignore")
            return parser.parse(pattern)
    except re.error as error:
        raise UserError(
            f"'pattern' must be a regular expression of Python: {error.msg}. "
            f"Got {_shortened(pattern)} at position {error.pos}."
        ) from None
    except (OverflowError, ValueError):  # of its numbers
        raise UserError(
            f"'pattern' must repeat its letters at most {MAX_POSITIONS:,} times. "
            f"Got a far larger number in {_shortened(pattern)}."
        ) from None


def _count(node: _Node) -> int:
    """Positions of a node, each as often as it is repeated."""
    kind, content = node
    if kind == constants.BRANCH:
        return sum(_count(inner) for branch in content[1] for inner in branch)
    if kind == constants.SUBPATTERN:
        return sum(map(_count, content[3]))
    if kind in _REPEATS:
        least, most, nodes = content
        # At least 1 for each copy: there may be any number of empty ones.
        return _copies(least, most) * max(1, sum(map(_count, nodes)))
    return 1


def _copies(least: int, most: int) -> int:
    """How often a repeated part is written out; the last copy of an endless repetition is repeated."""
    return max(least, 1) if most == constants.MAXREPEAT else most


def _bits(positions: int) -> Iterator[int]:
    """The indices of the bits that are set."""
    while positions:
        lowest = positions & -positions
        yield lowest.bit_length() - 1
        positions ^= lowest


def _shortened(pattern: str) -> str:
    return repr(pattern) if len(pattern) <= 60 else f"{pattern[:60]!r} and more"
