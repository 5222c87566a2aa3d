"""A regular language that a non-deterministic automaton describes best: one word, repeated."""

from __future__ import annotations

import math
import re
from typing import Annotated, Literal

import numpy as np

from seqlab.data.dataset import About
from seqlab.data.generated import GeneratedConfig
from seqlab.data.kinds import TOKENIZERS
from seqlab.data.tokenizers import END, CharactersConfig, TokenizerConfig
from seqlab.schema.errors import UserError
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

    def next_token(self, prefix: str) -> dict[str, float]:
        """1/4 for the closing `s` where a word may begin, else the next letter; see `GeneratedConfig`.

        Behind the first `s` each word is as likely, (1 - 1/4) / 3; behind a word only the same one follows,
        with 1 - 1/4. Everything else is certain.

        >>> NdfaConfig().next_token("s")
        {'s': 0.25, 'a': 0.25, 'u': 0.25, 'k': 0.25}
        >>> NdfaConfig().next_token("sabc!"), NdfaConfig().next_token("sab")
        ({'s': 0.25, 'a': 0.75}, {'c': 1.0})
        """
        if prefix == "":
            return {"s": 1.0}
        if prefix == "s":
            return {"s": STOP, **{word[0]: (1 - STOP) / len(WORDS) for word in WORDS}}
        if is_member(prefix):
            return {END: 1.0}
        for word in WORDS:
            whole, rest = divmod(len(prefix) - 1, len(word))
            if prefix == "s" + word * whole + word[:rest]:
                return {word[rest]: 1.0} if rest else {"s": STOP, word[0]: 1 - STOP}
        raise UserError(f"A prefix must be the beginning of a sample. Got {prefix!r}. Nearest: 's'.")

    def is_member(self, text: str) -> bool:
        """See `is_member` below."""
        return is_member(text)


def entropy_rate() -> float:
    """Expected nats per token of endless samples, each one's `.end` being a token.

    With k words a sample has 4k + 3 tokens. It costs k + 1 choices between stopping (1/4) and going on,
    of H(1/4) nats each, and ln 3 for the word where k > 0: with E[k] = 3, P(k > 0) = 3/4,
    (4 H(1/4) + 3/4 ln 3) / 15.

    >>> round(entropy_rate(), 6)
    0.204887
    """
    mean = (1 - STOP) / STOP
    choice = -STOP * math.log(STOP) - (1 - STOP) * math.log(1 - STOP)
    return ((mean + 1) * choice + (1 - STOP) * math.log(len(WORDS))) / (mean * len(WORDS[0]) + 3)


def is_member(text: str) -> bool:
    """Whether the automaton accepts this string: one word only, whole, any number of times."""
    return _MEMBER.fullmatch(text) is not None
