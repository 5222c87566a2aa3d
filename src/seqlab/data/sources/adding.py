"""The adding problem: the sum of two marked numbers, in its two definitions."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from typing_extensions import override

from seqlab.data.data_kinds import TOKENIZERS
from seqlab.data.sources.examples import Examples, ExamplesConfig
from seqlab.data.tokenizers.numbers import NumbersConfig
from seqlab.data.tokenizers.tokenizer import TokenizerConfig
from seqlab.schema.registry import ByKind

DECIMALS = 3
"""Decimals of the numbers: they are drawn from a grid, so that the sum of the written numbers is exact."""
SCALE = 10**DECIMALS
MARKED = "1"


class AddingConfig(ExamplesConfig):
    """Numbers from 0 to 1, one marked in each half; the answer is the sum of the marked ones.

    A token is a number and its mark. The modern definition (Le, Jaitly and Hinton, "A Simple Way to
    Initialize Recurrent Networks of Rectified Linear Units", 2015; one mark in each half after Arjovsky, Shah
    and Bengio, "Unitary Evolution Recurrent Neural Networks", 2016). The best constant answer is 1, with a
    mean squared error of 1/6.

    >>> config = AddingConfig(length=4, train=2, valid=1, test=1)
    >>> corpus = config.read()
    >>> corpus.texts["train"], corpus.targets["train"]
    (['0.851,1 0.637,0 0.511,0 0.270,1', '0.308,0 0.041,1 0.075,0 0.016,1'], [1.121, 0.057])
    >>> marked_total("0.851,1 0.637,0 0.511,0 0.270,1")
    1.121
    """

    description: ClassVar[str] = (
        "Numbers, two of them marked; the answer is their sum (the modern adding problem)."
    )
    label_names: ClassVar[tuple[str, ...]] = ()
    kind: Literal["adding"] = "adding"
    """Name of the dataset."""
    tokenizer: Annotated[TokenizerConfig, ByKind(TOKENIZERS)] = NumbersConfig(
        grids=("0.000 to 1.000", "0 to 1")
    )
    """How texts become tokens."""
    length: int = Field(default=50, ge=2)
    """Number of tokens of an example."""

    @override
    def draw(self, count: int, random: np.random.Generator) -> Examples:
        numbers = random.integers(SCALE, size=(count, self.length), endpoint=True)
        half, rows = self.length // 2, np.arange(count)
        first, second = random.integers(half, size=count), random.integers(half, self.length, size=count)
        marks = np.zeros_like(numbers)
        marks[rows, first] = marks[rows, second] = 1
        return Examples(
            [_text(row, mark) for row, mark in zip(numbers, marks, strict=True)],
            (numbers * marks).sum(axis=1) / SCALE,
        )

    @property
    @override
    def longest_example(self) -> int:
        return self.length

    @property
    @override
    def distinct_examples(self) -> int:
        return (SCALE + 1) ** self.length


class Adding1997Config(ExamplesConfig):
    """Numbers from -1 to 1, X1 and X2 marked by 1; the answer is 0.5 + (X1 + X2) / 4.

    Experiment 4 of Hochreiter and Schmidhuber, "Long Short-Term Memory" (1997). An example has `length` to
    1.1 `length` tokens; a token is a number and its mark. The first marked number is among the first ten, the
    second among the first `length` / 2 - 1 of the others. The first and the last token have the mark -1, all
    others 0; if the first number is marked, it is 0. An answer is correct if its error is below 0.04.

    >>> config = Adding1997Config(length=6, train=2, valid=1, test=1)
    >>> corpus = config.read()
    >>> corpus.texts["train"][0]
    '0.702,-1 0.274,1 0.022,1 -0.461,0 -0.385,0 -0.919,-1'
    >>> corpus.targets["train"][0], 0.5 + marked_total(corpus.texts["train"][0]) / 4
    (0.574, 0.574)
    """

    description: ClassVar[str] = (
        "Numbers, two of them marked; the answer is their scaled sum (adding problem of 1997)."
    )
    label_names: ClassVar[tuple[str, ...]] = ()
    kind: Literal["adding_1997"] = "adding_1997"
    """Name of the dataset."""
    tokenizer: Annotated[TokenizerConfig, ByKind(TOKENIZERS)] = NumbersConfig(
        grids=("-1.000 to 1.000", "-1 to 1")
    )
    """How texts become tokens."""
    length: int = Field(default=100, ge=6)
    """Number of tokens of the shortest examples; the longest ones have 10 % more."""

    @override
    def draw(self, count: int, random: np.random.Generator) -> Examples:
        longest = self.length + self.length // 10
        lengths = random.integers(self.length, longest, size=count, endpoint=True)
        numbers = random.integers(-SCALE, SCALE, size=(count, longest), endpoint=True)
        rows, first = np.arange(count), random.integers(min(10, self.length - 1), size=count)
        second = random.integers(self.length // 2 - 1, size=count)
        second += second >= first  # `second` was an index among the tokens without the first marked one
        marks = np.zeros_like(numbers)
        marks[:, 0] = marks[rows, lengths - 1] = -1
        marks[rows, first] = marks[rows, second] = 1
        numbers[marks[:, 0] == 1, 0] = 0
        return Examples(
            [
                _text(row[:end], mark[:end])
                for row, mark, end in zip(numbers, marks, lengths.tolist(), strict=True)
            ],
            0.5 + (numbers * (marks == 1)).sum(axis=1) / SCALE / 4,
        )

    @property
    @override
    def longest_example(self) -> int:
        return self.length + self.length // 10

    @property
    @override
    def distinct_examples(self) -> int:
        return (2 * SCALE + 1) ** self.length


def marked_total(text: str) -> float:
    """The sum of an example's marked numbers.

    >>> marked_total("0.500,-1 0.250,1 -1.000,1 0.125,-1")
    -0.75
    """
    pairs = [token.split(",") for token in text.split()]
    return round(sum(float(number) for number, mark in pairs if mark == MARKED), DECIMALS)


def _text(numbers: NDArray[np.int64], marks: NDArray[np.int64]) -> str:
    pairs = zip(numbers.tolist(), marks.tolist(), strict=True)
    return " ".join(f"{number / SCALE:.{DECIMALS}f},{mark}" for number, mark in pairs)
