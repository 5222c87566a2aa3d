"""Balanced brackets: one pair around balanced brackets, a part of Dyck-1."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from seqlab.data.dataset import About
from seqlab.data.generated import GeneratedConfig
from seqlab.data.kinds import TOKENIZERS
from seqlab.data.tokenizers import CharactersConfig, TokenizerConfig
from seqlab.schema.registry import ByKind

OPEN = 7 / 16
"""Probability of `(` while a bracket is open."""
_CHUNK = 1 << 16  # steps of the walk drawn at once


class BracketsConfig(GeneratedConfig):
    """Start with `(`; while a bracket is open, write `(` with probability 7/16, else `)`.

    >>> config = BracketsConfig(train=5, valid=1, test=1)
    >>> config.read().texts["train"]
    ['()', '(((())))', '()', '()', '()']
    >>> is_member("(()())"), is_member("()()"), is_member("(()")
    (True, False, False)
    """

    version = 1
    kind: Literal["brackets"] = "brackets"
    """Name of the dataset."""
    tokenizer: Annotated[TokenizerConfig, ByKind(TOKENIZERS)] = CharactersConfig()
    """How texts become tokens."""
    max_length: int | None = Field(default=None, ge=2)
    """Characters of a sequence at most, longer ones being drawn again; none: no limit."""

    def about(self) -> About:
        """Origin and licence."""
        return About("Balanced brackets that close at the end and not before.", "generated", "none needed")

    def draw(self, count: int, random: np.random.Generator) -> list[str]:
        """The pieces of one long random walk between its successive new minima.

        Each piece goes from depth 1 to depth 0 for the first time, independently of the others.
        """
        steps = np.empty(0, dtype=np.int8)
        texts: list[str] = []
        while len(texts) < count:
            size = max(_CHUNK, len(steps))
            steps = np.concatenate([steps, np.where(random.random(size) < OPEN, 1, -1).astype(np.int8)])
            texts = self._cut(steps)
        return texts[:count]

    def _cut(self, steps: NDArray[np.int8]) -> list[str]:
        signs = np.where(steps > 0, b"(", b")").tobytes().decode("ascii")
        lowest = np.minimum.accumulate(np.concatenate([[0], np.cumsum(steps, dtype=np.int64)]))
        ends = (np.flatnonzero(np.diff(lowest)) + 1).tolist()
        texts = [f"({signs[begin:end]}" for begin, end in zip([0, *ends], ends, strict=False)]
        longest = self.max_length
        return texts if longest is None else [text for text in texts if len(text) <= longest]


def is_member(text: str) -> bool:
    """Whether the grammar can write this string: depth 0 is reached at its end and not before."""
    depth = 0
    for place, sign in enumerate(text):
        if sign not in "()" or (place and not depth):
            return False
        depth += 1 if sign == "(" else -1
        if depth < 0:
            return False
    return bool(text) and depth == 0
