"""Regular languages: well-known ones, and the user's own by a regular expression."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from seqlab.data.sources.generated import LimitedConfig
from seqlab.languages import expression, regular
from seqlab.languages.automaton import Automaton


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
    """The seven languages of bits of Tomita (1982); see `seqlab.languages.regular.tomita`.

    >>> TomitaConfig(number=2, train=3, valid=1, test=1).read().texts["train"]
    ['1010101010101010101010101010101010101010', '1010101010', '101010']
    """

    description: ClassVar[str] = "One of Tomita's seven regular languages of bits."
    kind: Literal["tomita"] = "tomita"
    """Name of the dataset."""
    number: int = Field(ge=1, le=7)
    """Which of the seven languages."""
    stop: float = Field(default=0.1, gt=0, le=1)
    """Probability to end where a sequence may end."""

    @override
    def unlimited(self) -> Automaton:
        return regular.tomita(self.number, self.stop)


class RegularExpressionConfig(LimitedConfig):
    """Your own regular language; see `seqlab.languages.expression.automaton`.

    >>> RegularExpressionConfig(pattern="(ab|c)+", train=3, valid=1, test=1).read().texts["train"]
    ['cabab', 'abcabcccabcabababcccab', 'ababcccabccc']
    """

    description: ClassVar[str] = (
        "Strings of a regular expression; all possible next letters are equally likely."
    )
    kind: Literal["regular-expression"] = "regular-expression"
    """Name of the dataset."""
    pattern: str
    """The expression as Python reads it: letters, `( ) | * + ? {m} {m,n} [abc] [a-z]` and escapes."""
    stop: float = Field(default=0.1, gt=0, le=1)
    """Probability to end where a sequence may end."""

    @override
    def unlimited(self) -> Automaton:
        return expression.automaton(self.pattern, self.stop)
