"""Equally many of each letter, in alphabetical order."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from seqlab.data.sources.generated import LimitedConfig
from seqlab.languages.counting import Counting


class CountingConfig(LimitedConfig):
    """a^n b^n, or with more letters a^n b^n c^n; n is geometric and at least 1.

    >>> CountingConfig(train=3, valid=1, test=1).read().texts["train"]
    ['aaaaaabbbbbb', 'aaaaabbbbb', 'aaaaaaaaaaaaaabbbbbbbbbbbbbb']
    """

    description: ClassVar[str] = "Equally many `a` and `b`, or `a`, `b` and `c`, one letter after the other."
    kind: Literal["counting"] = "counting"
    """Name of the dataset."""
    letters: int = Field(default=2, ge=2, le=4)
    """Number of different letters: 2 is a^n b^n, 3 is a^n b^n c^n."""
    stop: float = Field(default=0.1, gt=0, le=1)
    """Probability, after each `a`, that it is the last one."""

    @override
    def unlimited(self) -> Counting:
        return Counting(self.letters, self.stop)
