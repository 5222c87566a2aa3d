"""A regular language that a non-deterministic automaton describes best: one word, repeated."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import numpy as np

from seqlab.data.dataset import About
from seqlab.data.generated import GeneratedConfig
from seqlab.data.kinds import TOKENIZERS
from seqlab.data.tokenizers import CharactersConfig, TokenizerConfig
from seqlab.schema.registry import ByKind

WORDS = ("abc!", "uvw!", "klm!")
STOP = 1 / 4
"""Probability that the sequence ends, before each further word."""
_MEMBER = re.compile("s(?:" + "|".join(f"(?:{word})*" for word in WORDS) + ")s")


class NdfaConfig(GeneratedConfig):
    """`s`, one word of `abc!`, `uvw!`, `klm!` (each as likely) k times, `s`; k is geometric, 0 is legal.

    >>> config = NdfaConfig(train=3, valid=1, test=1)
    >>> config.read().texts["train"]
    ['suvw!s', 'ss', 'sklm!klm!klm!klm!klm!klm!klm!klm!s']
    >>> is_member("sabc!abc!s"), is_member("ss"), is_member("sabc!uvw!s")
    (True, True, False)
    """

    version = 1
    kind: Literal["ndfa"] = "ndfa"
    """Name of the dataset."""
    tokenizer: Annotated[TokenizerConfig, ByKind(TOKENIZERS)] = CharactersConfig()
    """How texts become tokens."""

    def about(self) -> About:
        """Origin and licence."""
        return About("One of three words, repeated, between two `s`.", "generated", "none needed")

    def draw(self, count: int, random: np.random.Generator) -> list[str]:
        """See `GeneratedConfig.draw`."""
        draws = random.random((count, 2))
        words = (draws[:, 0] * len(WORDS)).astype(np.int64)
        # The inverse of P(at least k words) = (1 - STOP)^k.
        repeats = np.floor(np.log1p(-draws[:, 1]) / np.log1p(-STOP)).astype(np.int64)
        return [f"s{WORDS[word] * k}s" for word, k in zip(words.tolist(), repeats.tolist(), strict=True)]


def is_member(text: str) -> bool:
    """Whether the automaton accepts this string: one word only, whole, any number of times."""
    return _MEMBER.fullmatch(text) is not None
