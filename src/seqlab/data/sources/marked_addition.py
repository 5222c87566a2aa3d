"""Remember a marked digit and add it to the last one."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field
from typing_extensions import override

from seqlab.data.data_kinds import TOKENIZERS
from seqlab.data.sources.examples import Examples, ExamplesConfig
from seqlab.data.tokenizers.numbers import NumbersConfig
from seqlab.data.tokenizers.tokenizer import TokenizerConfig
from seqlab.schema.registry import ByKind

MARK = "-1"


class MarkedAdditionConfig(ExamplesConfig):
    """Digits, one of the first `length` - 2 replaced by -1; the answer is the next digit plus the last one.

    >>> config = MarkedAdditionConfig(length=5, train=2, valid=1, test=1)
    >>> corpus = config.read()
    >>> corpus.texts["train"], [corpus.label_names[label] for label in corpus.targets["train"]]
    (['8 -1 5 2 3', '0 0 -1 1 8'], ['8', '9'])
    >>> marked_sum("8 -1 5 2 3")
    8
    """

    description: ClassVar[str] = "Digits, one of them marked; the label is that digit plus the last one."
    label_names: ClassVar[tuple[str, ...]] = tuple(str(total) for total in range(19))
    kind: Literal["marked_addition"] = "marked_addition"
    """Name of the dataset."""
    tokenizer: Annotated[TokenizerConfig, ByKind(TOKENIZERS)] = NumbersConfig(grids=(f"{MARK} to 9",))
    """How texts become tokens; a model can read them as one-hot vectors or as numbers."""
    length: int = Field(default=10, ge=3)
    """Number of tokens of an example, including the mark."""

    @override
    def draw(self, count: int, random: np.random.Generator) -> Examples:
        digits = random.integers(10, size=(count, self.length))
        rows, marks = np.arange(count), random.integers(self.length - 2, size=count)
        digits[rows, marks] = int(MARK)
        texts = [" ".join(map(str, row)) for row in digits.tolist()]
        return Examples(texts, digits[rows, marks + 1] + digits[:, -1])

    @property
    @override
    def longest_example(self) -> int:
        return self.length

    @property
    @override
    def distinct_examples(self) -> int:
        return (self.length - 2) * 10 ** (self.length - 1)


def marked_sum(text: str) -> int:
    """The label of an example: the exact answer.

    >>> marked_sum("-1 9 9"), marked_sum("4 -1 0 7 7")
    (18, 7)
    """
    tokens = text.split()
    return int(tokens[tokens.index(MARK) + 1]) + int(tokens[-1])
