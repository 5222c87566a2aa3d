"""Balanced brackets: one pair around balanced brackets, a part of Dyck-1."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from seqlab.data.dataset import About
from seqlab.data.generated import GeneratedConfig
from seqlab.data.kinds import TOKENIZERS
from seqlab.data.tokenizers import END, CharactersConfig, TokenizerConfig
from seqlab.schema.errors import UserError
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

    def next_token(self, prefix: str) -> dict[str, float]:
        """The exact distribution behind a prefix of n characters, d brackets deep.

        `(` is certain first, `.end` at depth 0. Without a limit, `(` has 7/16 in between. Under a limit of
        L characters, texts that fit are likelier by as much as the others are drawn again:

            P("(") = 7/16 w(d+1, L-n-1) / w(d, L-n),    P(")") = 9/16 w(d-1, L-n-1) / w(d, L-n),

        w(d, m) being the chance that d brackets are closed within m characters.

        >>> BracketsConfig().next_token("(()")
        {'(': 0.4375, ')': 0.5625}
        >>> BracketsConfig(max_length=4).next_token("(()")
        {'(': 0.0, ')': 1.0}
        """
        depth, limit = _depth(prefix), self.max_length
        if depth is None or (limit is not None and len(prefix) + depth > limit):
            raise UserError(f"A prefix must be the beginning of a sample. Got {prefix!r}. Nearest: '('.")
        if depth == 0:
            return {END: 1.0} if prefix else {"(": 1.0}
        if limit is None:
            return {"(": OPEN, ")": 1 - OPEN}
        chances, rest = _closing_chances(limit), limit - len(prefix)
        opened = OPEN * chances[rest - 1, depth + 1] / chances[rest, depth]
        return {"(": float(opened), ")": float(1 - opened)}

    def is_member(self, text: str) -> bool:
        """See `is_member` below; a text longer than `max_length` belongs to the language, too."""
        return is_member(text)


def entropy_rate() -> float:
    """Expected nats per token of endless samples without a limit, each one's `.end` being a token.

    Behind the first bracket a walk of 1 / (1 - 2p) steps is expected, p = 7/16, each of H(p) nats; the
    first bracket and the end cost nothing: H(p) / (1 - 2p) / (2 + 1 / (1 - 2p)) = H(p) / (3 - 4p).

    >>> round(entropy_rate(), 6)
    0.548251
    """
    entropy = -OPEN * math.log(OPEN) - (1 - OPEN) * math.log(1 - OPEN)
    return entropy / (3 - 4 * OPEN)


@lru_cache(maxsize=4)
def _closing_chances(limit: int) -> NDArray[np.float64]:
    """w[m, d]: the chance that d open brackets are closed within m characters, where d + m <= limit.

    w(0, m) = 1 and w(d, 0) = 0 for d > 0; w(d, m) = 7/16 w(d+1, m-1) + 9/16 w(d-1, m-1).
    """
    chances = np.zeros((limit + 1, limit // 2 + 3))
    chances[:, 0] = 1.0
    for left in range(1, limit + 1):
        before = chances[left - 1]
        chances[left, 1:-1] = OPEN * before[2:] + (1 - OPEN) * before[:-2]
    return chances


def _depth(prefix: str) -> int | None:
    """Open brackets behind the beginning of a member; None when it is none."""
    depth = prefix.count("(") - prefix.count(")")
    # Brackets that close it make a member of the beginning of one, and of nothing else.
    return depth if not prefix or is_member(prefix + ")" * depth) else None


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
