"""Balanced brackets of one kind or several."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from seqlab.data.sources.generated import LimitedConfig
from seqlab.languages.dyck import Dyck

OPEN = 7 / 16
"""Probability of `(` while a bracket is open."""


class BracketsConfig(LimitedConfig):
    """Begin with `(`; while a bracket is open, write `(` with probability 7/16, otherwise `)`.

    >>> config = BracketsConfig(train=2, valid=1, test=1)
    >>> config.read().texts["train"]
    ['(())', '()']
    >>> [config.language().is_member(text) for text in ("(()())", "()()", "(()")]
    [True, False, False]
    """

    description: ClassVar[str] = "Balanced brackets; the first one closes at the end."
    legacy_check: ClassVar[str | None] = "counted-brackets"
    kind: Literal["brackets"] = "brackets"
    """Name of the dataset."""

    @override
    def unlimited(self) -> Dyck:
        return Dyck(1, OPEN, None)


class DyckConfig(LimitedConfig):
    """Balanced brackets of several kinds, with or without a maximum depth.

    >>> DyckConfig(train=3, valid=1, test=1).read().texts["train"]
    ['[[]]', '()', '([[](([()[[][()]]]))()][](()))']
    """

    description: ClassVar[str] = "Balanced brackets of several kinds; the first one closes at the end."
    kind: Literal["dyck"] = "dyck"
    """Name of the dataset."""
    kinds: int = Field(default=2, ge=1, le=4)
    """Number of kinds of brackets, equally likely."""
    opening: float = Field(default=OPEN, ge=0, lt=1)
    """Probability of another opening bracket while one is open; must be below 1/2 without `max_depth`."""
    max_depth: int | None = Field(default=None, ge=1)
    """Maximum number of open brackets; none: no limit."""

    @override
    def unlimited(self) -> Dyck:
        return Dyck(self.kinds, self.opening, self.max_depth)
