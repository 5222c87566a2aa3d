"""Remember which digit followed which letter."""

from __future__ import annotations

import math
import string
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field
from typing_extensions import override

from seqlab.data.sources.examples import Examples, ExamplesConfig

KEYS = string.ascii_lowercase


class AssociativeRecallConfig(ExamplesConfig):
    """`pairs` different letters, each followed by a digit, then one of the letters; the answer is its digit.

    After Ba, Hinton, Mnih, Leibo and Ionescu, "Using Fast Weights to Attend to the Recent Past" (2016),
    without the two question marks before the last letter.

    >>> config = AssociativeRecallConfig(pairs=3, train=2, valid=1, test=1)
    >>> corpus = config.read()
    >>> corpus.texts["train"], [corpus.label_names[label] for label in corpus.targets["train"]]
    (['l 7 d 8 u 0 d', 'w 0 g 6 u 3 w'], ['8', '0'])
    >>> recalled("c 9 k 8 f 1 k")
    8
    """

    description: ClassVar[str] = (
        "Letters, each followed by a digit, then one of the letters; the label is its digit."
    )
    label_names: ClassVar[tuple[str, ...]] = tuple(string.digits)
    kind: Literal["associative_recall"] = "associative_recall"
    """Name of the dataset."""
    pairs: int = Field(default=4, ge=1, le=len(KEYS))
    """Number of letters with a digit; an example has 2 `pairs` + 1 tokens."""

    @override
    def draw(self, count: int, random: np.random.Generator) -> Examples:
        # The order of random numbers is a random permutation; its beginning is a choice without repetition.
        letters = random.random((count, len(KEYS))).argsort(axis=1)[:, : self.pairs]
        digits = random.integers(10, size=letters.shape)
        queries = random.integers(self.pairs, size=count)
        texts = [_text(*row) for row in zip(letters.tolist(), digits.tolist(), queries.tolist(), strict=True)]
        return Examples(texts, digits[np.arange(count), queries])

    @property
    @override
    def longest_example(self) -> int:
        return 2 * self.pairs + 1

    @property
    @override
    def distinct_examples(self) -> int:
        return math.perm(len(KEYS), self.pairs) * 10**self.pairs * self.pairs


def _text(letters: list[int], digits: list[int], query: int) -> str:
    pairs = " ".join(f"{KEYS[letter]} {digit}" for letter, digit in zip(letters, digits, strict=True))
    return f"{pairs} {KEYS[letters[query]]}"


def recalled(text: str) -> int:
    """The label of an example: the exact answer.

    >>> recalled("a 4 b 7 a")
    4
    """
    *pairs, query = text.split()
    return int(dict(zip(pairs[::2], pairs[1::2], strict=True))[query])
