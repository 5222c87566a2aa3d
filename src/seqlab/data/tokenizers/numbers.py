"""Tokens that are numbers."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from typing import ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import Field, model_validator
from typing_extensions import override

from seqlab.data.tokenizers.spans import Span, matched
from seqlab.data.tokenizers.tokenizer import Encoded, Spec, Tokenizer, TokenizerConfig, offsets_of
from seqlab.data.tokenizers.vocabulary import Vocabulary
from seqlab.data.tokenizers.whitespace import WORD
from seqlab.schema.config import parse, plain
from seqlab.schema.errors import UserError

MAX_TOKENS = 1_000_000
"""Maximum number of distinct tokens."""


class Grid(NamedTuple):
    """Equally spaced numbers from `lowest` to `highest`, both given as multiples of 10^-`decimals`."""

    lowest: int
    highest: int
    decimals: int

    @classmethod
    def parse(cls, text: str) -> Grid:
        """A grid from its two ends in writing; all its numbers have the same number of decimals.

        >>> Grid.parse("-1.0 to 1.0")
        Grid(lowest=-10, highest=10, decimals=1)

        Raises:
            UserError: the text is not two ascending numbers with equally many decimals.
        """
        match = _GRID.fullmatch(text)
        if match is None or len(match[2]) != len(match[4]):
            raise UserError(
                "'grids' must be written as '0.00 to 1.00', with equally many decimals, at most 6. "
                f"Got {text!r}."
            )
        # Groups 1 and 3 are the whole parts, 2 and 4 the decimals.
        lowest, highest = int(match[1] + match[2]), int(match[3] + match[4])
        if highest < lowest:
            raise UserError(f"'grids' must begin with the lowest number. Got {text!r}.")
        return cls(lowest, highest, len(match[2]))

    @property
    def size(self) -> int:
        """How many numbers the grid has."""
        return self.highest - self.lowest + 1

    def tokens(self) -> list[str]:
        """All numbers as text, in ascending order."""
        scale = 10**self.decimals
        return [f"{k / scale:.{self.decimals}f}" for k in range(self.lowest, self.highest + 1)]


# The decimal point belongs to neither group, and must be followed by a decimal: `0.` is not a number here.
_GRID = re.compile(r"(-?\d+)(?:\.(?=\d))?((?<=\.)\d{1,6}|) to (-?\d+)(?:\.(?=\d))?((?<=\.)\d{1,6}|)")


class NumbersConfig(TokenizerConfig):
    """Tokens separated by spaces are numbers on a grid, or several such numbers joined by commas.

    The vocabulary is every number on the grid, whatever the texts contain, and nothing else: there is neither
    a start nor an end token, so it suits tasks whose input is a whole text. A model with
    `embedding = "numbers"` reads the numbers themselves.

    >>> tokenizer = NumbersConfig(grids=("0.0 to 1.0", "0 to 1")).train([])
    >>> len(tokenizer.vocabulary), tokenizer.encode("0.3,1 1.0,0")
    (22, [7, 20])
    >>> tokenizer.decode([7]), tokenizer.vocabulary.numbers[7]
    ('0.3,1', (0.3, 1.0))
    """

    kind: Literal["numbers"] = "numbers"
    """Name of the tokenizer."""
    grids: tuple[str, ...] = Field(default=("0 to 9",), min_length=1)
    """One grid per number of a token, written as its lowest and highest number, e.g. `0.00 to 1.00`."""

    @model_validator(mode="after")
    def _few_enough_tokens(self) -> NumbersConfig:
        count = math.prod(Grid.parse(grid).size for grid in self.grids)
        if count > MAX_TOKENS:
            raise UserError(
                f"'grids' must have at most {MAX_TOKENS:,} combinations. Got {count:,}. "
                "Nearest: fewer decimals."
            )
        return self

    @override
    def train(self, texts: Sequence[str], *, running: bool = False) -> Tokenizer:
        if running:
            raise UserError(
                "'data.tokenizer.kind' must not be 'numbers' for running text. "
                "Nearest: data.tokenizer.kind=whitespace."
            )
        return _Numbers(self)

    @override
    def restore(self, spec: Spec) -> Tokenizer:
        return _Numbers(parse(type(self), spec))


class _Numbers(Tokenizer):
    encodes_parts: ClassVar[bool] = True

    def __init__(self, config: NumbersConfig):
        self._config = config
        written = [Grid.parse(grid).tokens() for grid in config.grids]
        tokens = tuple(",".join(parts) for parts in itertools.product(*written))
        numbers = tuple(tuple(map(float, token.split(","))) for token in tokens)
        self.vocabulary = Vocabulary(tokens, numbers=numbers)

    @override
    def encode_batch(self, texts: Sequence[str]) -> Encoded:
        tokens = [text.split() for text in texts]
        ids = self.vocabulary.ids
        try:
            found = [ids[token] for text in tokens for token in text]
        except KeyError as error:
            raise UserError(self._off_grid(error.args[0])) from None
        return Encoded(np.array(found, dtype=np.int32), offsets_of(map(len, tokens)))

    @override
    def spans(self, text: str) -> list[Span]:
        return matched(WORD, text)

    @override
    def decode(self, ids: Sequence[int]) -> str:
        return " ".join(self.vocabulary.names(ids))

    @override
    def spec(self) -> Spec:
        return plain(self._config)

    def _off_grid(self, token: str) -> str:
        grids = self._config.grids
        wanted = f"{len(grids)} numbers joined by commas" if len(grids) > 1 else "a number"
        return f"A token must be {wanted}, written as in {', '.join(grids)}. Got {token!r}."
