"""Remember which digit stood behind which letter."""

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
    """`pairs` different letters, each with a digit behind it, then one of them again: its digit.

    After Ba, Hinton, Mnih, Leibo and Ionescu, "Using Fast Weights to Attend to the Recent Past" (2016),
    without the two question marks that stand before the last letter there.

    >>> config = AssociativeRecallConfig(pairs=3, train=2, valid=1, test=1)
    >>> corpus = config.read()
    >>> corpus.texts["train"], [corpus.label_names[label] for label in corpus.labels["train"]]
    (['l 7 d 8 u 0 d', 'w 0 g 6 u 3 w'], ['8', '0'])
    >>> recalled("c 9 k 8 f 1 k")
    8
    """

    description: ClassVar[str] = "Letters with a digit each, then one of the letters; the label is its digit."
    label_names: ClassVar[tuple[str, ...]] = tuple(string.digits)
    kind: Literal["associative_recall"] = "associative_recall"
    """Name of the dataset."""
    pairs: int = Field(default=4, ge=1, le=len(KEYS))
    """Letters with a digit; an example has 2 `pairs` + 1 tokens."""

    @override
    def draw(self, count: int, random: np.random.Generator) -> Examples:
        letters = random.random((count, len(KEYS))).argsort(axis=1)[:, : self.pairs]
        digits = random.integers(10, size=letters.shape)
        asked = random.integers(self.pairs, size=count)
        texts = [
            " ".join(f"{KEYS[key]} {value}" for key, value in zip(*pair, strict=True))
            + f" {KEYS[pair[0][place]]}"
            for *pair, place in zip(letters.tolist(), digits.tolist(), asked.tolist(), strict=True)
        ]
        return Examples(texts, digits[np.arange(count), asked])

    @property
    @override
    def different(self) -> int:
        return math.perm(len(KEYS), self.pairs) * 10**self.pairs * self.pairs


def recalled(text: str) -> int:
    """The label of an example: the exact answer.

    >>> recalled("a 4 b 7 a")
    4
    """
    *pairs, asked = text.split()
    return int(dict(zip(pairs[::2], pairs[1::2], strict=True))[asked])
