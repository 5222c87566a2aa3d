"""Formal languages that are known by name, and one's own by a regular expression."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from seqlab.data.sources.generated import LimitedConfig
from seqlab.languages import expression, regular
from seqlab.languages.automaton import Automaton
from seqlab.languages.counting import Counting


class ParityConfig(LimitedConfig):
    """Bits with an even number of ones.

    >>> ParityConfig(train=4, valid=1, test=1).read().texts["train"]
    ['10101100', '011000000', '0011000', '0001001011010000001110010111011101001110101000001000000']
    """

    description: ClassVar[str] = "Bits with an even number of ones."
    kind: Literal["parity"] = "parity"
    """Name of the dataset."""
    stop: float = Field(default=0.1, gt=0, le=1)
    """Probability to end where a sequence may end."""

    @override
    def unlimited(self) -> Automaton:
        return regular.parity(self.stop)


class TomitaConfig(LimitedConfig):
    """Tomita's (1982) seven languages of bits; see `seqlab.languages.regular.tomita`.

    >>> TomitaConfig(number=2, train=3, valid=1, test=1).read().texts["train"]
    ['1010101010101010101010101010101010101010', '1010101010', '101010']
    """

    description: ClassVar[str] = "One of Tomita's seven regular languages of bits."
    kind: Literal["tomita"] = "tomita"
    """Name of the dataset."""
    number: int = Field(ge=1, le=7)
    """Which of the seven."""
    stop: float = Field(default=0.1, gt=0, le=1)
    """Probability to end where a sequence may end."""

    @override
    def unlimited(self) -> Automaton:
        return regular.tomita(self.number, self.stop)


class CountingConfig(LimitedConfig):
    """a^n b^n, or with more letters a^n b^n c^n: n times each, n geometric and at least 1.

    >>> CountingConfig(train=3, valid=1, test=1).read().texts["train"]
    ['aaaaaabbbbbb', 'aaaaabbbbb', 'aaaaaaaaaaaaaabbbbbbbbbbbbbb']
    """

    description: ClassVar[str] = "As many `a` as `b`, or as `b` and `c`, one letter after the other."
    kind: Literal["counting"] = "counting"
    """Name of the dataset."""
    letters: int = Field(default=2, ge=2, le=4)
    """Different letters: 2 is a^n b^n, 3 is a^n b^n c^n."""
    stop: float = Field(default=0.1, gt=0, le=1)
    """Probability, behind each `a`, that it is the last one."""

    @override
    def unlimited(self) -> Counting:
        return Counting(self.letters, self.stop)


class RegularExpressionConfig(LimitedConfig):
    """Your own regular language; see `seqlab.languages.expression.automaton`.

    >>> RegularExpressionConfig(pattern="(ab|c)+", train=3, valid=1, test=1).read().texts["train"]
    ['cabab', 'abcabcccabcabababcccab', 'ababcccabccc']
    """

    description: ClassVar[str] = "Strings of a regular expression, its continuations as likely as each other."
    kind: Literal["regular-expression"] = "regular-expression"
    """Name of the dataset."""
    pattern: str
    """The expression: letters, `( ) | * + ? {m} {m,n} [abc] [a-z]`; a backslash takes a sign for itself."""
    stop: float = Field(default=0.1, gt=0, le=1)
    """Probability to end where a sequence may end."""

    @override
    def unlimited(self) -> Automaton:
        return expression.automaton(self.pattern, self.stop)
