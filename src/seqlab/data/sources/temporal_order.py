"""Remember the order of two symbols."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from typing_extensions import override

from seqlab.data.sources.examples import Examples, ExamplesConfig

FILLERS = "abcd"
CLASSES = {"XX": "Q", "XY": "R", "YX": "S", "YY": "U"}
"""The class of each order."""


class TemporalOrderConfig(ExamplesConfig):
    """X or Y at two positions among irrelevant symbols; the class is which of the four orders it is.

    Experiment 6a of Hochreiter and Schmidhuber, "Long Short-Term Memory" (1997): E, then random symbols a, b,
    c and d, and B at the end. With the paper's `length` of 100 an example has 100 to 110 tokens, the first X
    or Y has 10 to 20 tokens before it and the second one 50 to 60; other lengths scale all of these. XX is
    class Q, XY R, YX S, YY U.

    >>> config = TemporalOrderConfig(length=10, train=2, valid=1, test=1)
    >>> corpus = config.read()
    >>> corpus.texts["train"], [corpus.label_names[label] for label in corpus.targets["train"]]
    (['E a Y d c Y c c d c B', 'E Y d b d X a b d c B'], ['U', 'S'])
    >>> order("E a X c d b Y a c B")
    'R'
    """

    description: ClassVar[str] = "Two distant symbols among others; the label is their order."
    label_names: ClassVar[tuple[str, ...]] = tuple(CLASSES.values())
    kind: Literal["temporal_order"] = "temporal_order"
    """Name of the dataset."""
    length: int = Field(default=100, ge=10)
    """Number of tokens of the shortest examples; the longest ones have 10 % more."""

    @override
    def draw(self, count: int, random: np.random.Generator) -> Examples:
        size = self.length
        lengths = random.integers(size, size + size // 10, size=count, endpoint=True)
        first = random.integers(size // 10, size // 5, size=count, endpoint=True)
        second = random.integers(size // 2, size * 3 // 5, size=count, endpoint=True)
        fillers = random.integers(len(FILLERS), size=(count, int(lengths.max())))
        labels = random.integers(len(CLASSES), size=count)
        # Every row has fillers for the longest example; `_text` cuts them to its own length.
        texts = [
            _text(row, length, positions, list(CLASSES)[label])
            for row, length, *positions, label in zip(
                fillers, lengths.tolist(), first.tolist(), second.tolist(), labels.tolist(), strict=True
            )
        ]
        return Examples(texts, labels)

    @property
    @override
    def longest_example(self) -> int:
        return self.length + self.length // 10

    @property
    @override
    def distinct_examples(self) -> int:
        return len(CLASSES) * len(FILLERS) ** (self.length - 4)


def _text(fillers: NDArray[np.int64], length: int, positions: list[int], symbols: str) -> str:
    tokens = ["E", *(FILLERS[index] for index in fillers[1 : length - 1].tolist()), "B"]
    for position, symbol in zip(positions, symbols, strict=True):
        tokens[position] = symbol
    return " ".join(tokens)


def order(text: str) -> str:
    """The label of an example: the exact answer.

    >>> order("E b Y a X d B")
    'S'
    """
    return CLASSES["".join(token for token in text.split() if token in ("X", "Y"))]
