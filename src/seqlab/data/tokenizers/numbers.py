"""Tokens that are numbers."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from pydantic import Field, model_validator
from typing_extensions import override

from seqlab.data.tokenizers.tokenizer import Encoded, Spec, Tokenizer, TokenizerConfig, offsets_of
from seqlab.data.tokenizers.vocabulary import Vocabulary
from seqlab.schema.config import parse, plain
from seqlab.schema.errors import UserError

MOST = 1_000_000
"""Different tokens at most."""


class Grid(NamedTuple):
    """Equally spaced numbers, as multiples of 10^-`decimals`: from `lowest` to `highest`."""

    lowest: int
    highest: int
    decimals: int

    @classmethod
    def read(cls, text: str) -> Grid:
        """A grid from its ends as they are written; their decimals are those of all its numbers.

        >>> Grid.read("-1.0 to 1.0")
        Grid(lowest=-10, highest=10, decimals=1)

        Raises:
            UserError: these are not two numbers in order with equally many decimals.
        """
        match = _GRID.fullmatch(text)
        if match is None or len(match[2]) != len(match[4]):
            raise UserError(
                "'grids' must be written as '0.00 to 1.00', with equally many decimals, 6 at most. "
                f"Got {text!r}."
            )
        lowest, highest = (int(match[one] + match[one + 1]) for one in (1, 3))
        if highest < lowest:
            raise UserError(f"'grids' must begin with the lowest number. Got {text!r}.")
        return cls(lowest, highest, len(match[2]))

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return self.highest - self.lowest + 1

    def written(self) -> list[str]:
        """All numbers, the smallest first."""
        scale = 10**self.decimals
        return [f"{k / scale:.{self.decimals}f}" for k in range(self.lowest, self.highest + 1)]


_GRID = re.compile(r"(-?\d+)(?:\.(?=\d))?((?<=\.)\d{1,6}|) to (-?\d+)(?:\.(?=\d))?((?<=\.)\d{1,6}|)")


class NumbersConfig(TokenizerConfig):
    """Tokens between blanks are numbers, or several joined by commas, each on a grid.

    The vocabulary is every number there can be, whatever the texts hold, and nothing else: there is neither a
    start nor an end, so it serves tasks of whole texts. A model with `embedding = "numbers"` reads the
    numbers themselves.

    >>> tokenizer = NumbersConfig(grids=("0.0 to 1.0", "0 to 1")).train([])
    >>> len(tokenizer.vocabulary), tokenizer.encode("0.3,1 1.0,0")
    (22, [7, 20])
    >>> tokenizer.decode([7]), tokenizer.vocabulary.numbers[7]
    ('0.3,1', (0.3, 1.0))
    """

    kind: Literal["numbers"] = "numbers"
    """Name of the tokenizer."""
    grids: tuple[str, ...] = Field(default=("0 to 9",), min_length=1)
    """The numbers of a token, in their order: the lowest and the highest, written as all of them are."""

    @model_validator(mode="after")
    def _some(self) -> NumbersConfig:
        count = math.prod(Grid.read(grid).size for grid in self.grids)
        if count > MOST:
            raise UserError(
                f"'grids' must have at most {MOST:,} combinations. Got {count:,}. Nearest: fewer 'decimals'."
            )
        return self

    def train(self, texts: Sequence[str], *, running: bool = False) -> Tokenizer:
        """See `TokenizerConfig.train`; nothing is learned from the texts."""
        if running:
            raise UserError(
                "'tokenizer.kind' must not be 'numbers' for running text. "
                "Nearest: tokenizer.kind='whitespace'."
            )
        return _Numbers(self)

    @classmethod
    @override
    def restore(cls, spec: Spec) -> Tokenizer:
        return _Numbers(parse(cls, spec))


class _Numbers(Tokenizer):
    def __init__(self, config: NumbersConfig):
        self._config = config
        written = [Grid.read(grid).written() for grid in config.grids]
        tokens = tuple(",".join(parts) for parts in itertools.product(*written))
        numbers = tuple(tuple(map(float, token.split(","))) for token in tokens)
        self.vocabulary = Vocabulary(tokens, numbers=numbers)

    def encode_batch(self, texts: Sequence[str]) -> Encoded:
        tokens = [text.split() for text in texts]
        ids = self.vocabulary.ids
        try:
            found = [ids[token] for text in tokens for token in text]
        except KeyError as error:
            raise UserError(self._off_grid(error.args[0])) from None
        return Encoded(np.array(found, dtype=np.int32), offsets_of(map(len, tokens)))

    def decode(self, ids: Sequence[int]) -> str:
        return " ".join(self.vocabulary.names(ids))

    def spec(self) -> Spec:
        return plain(self._config)

    def _off_grid(self, token: str) -> str:
        grids = self._config.grids
        wanted = f"{len(grids)} numbers joined by commas" if len(grids) > 1 else "a number"
        return f"A token must be {wanted}, written as in {', '.join(grids)}. Got {token!r}."
