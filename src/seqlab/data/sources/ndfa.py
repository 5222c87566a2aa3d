"""A regular language that a non-deterministic automaton describes most simply: one word, repeated."""

from __future__ import annotations

from typing import ClassVar, Literal

from typing_extensions import override

from seqlab.data.sources.generated import LimitedConfig
from seqlab.languages import regular
from seqlab.languages.automaton import Automaton

WORDS = ("abc!", "uvw!", "klm!")
STOP = 1 / 4
"""Probability, before each word, that the sequence ends."""


class NdfaConfig(LimitedConfig):
    """`s`, k repetitions of one of `abc!`, `uvw!`, `klm!` (equally likely), `s`; k >= 0 is geometric.

    >>> config = NdfaConfig(train=3, valid=1, test=1)
    >>> config.read().texts["train"]
    ['sklm!klm!s', 'ss', 'sklm!klm!klm!s']
    >>> [config.language().is_member(text) for text in ("sabc!abc!s", "ss", "sabc!uvw!s")]
    [True, True, False]
    """

    description: ClassVar[str] = "One of three words, repeated, between two `s`."
    legacy_check: ClassVar[str | None] = "loose-ndfa"
    kind: Literal["ndfa"] = "ndfa"
    """Name of the dataset."""

    @override
    def unlimited(self) -> Automaton:
        return regular.ndfa(WORDS, STOP)
