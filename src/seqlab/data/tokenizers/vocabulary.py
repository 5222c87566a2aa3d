"""Tokens and their ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from seqlab.schema.errors import UserError


@dataclass(frozen=True)
class Vocabulary:
    """Tokens in the order of their ids, and the ids that play a part.

    A part that a vocabulary does not have is None. In running text one token may play two parts:
    in the Penn Treebank `<eos>` both ends a line and stands before the first one. `numbers` are what the
    tokens are as numbers, as many for each; None where they are none.

    >>> v = Vocabulary((".start", "a", "b"), start=0)
    >>> v.id("b"), len(v)
    (2, 3)
    """

    tokens: tuple[str, ...]
    pad: int | None = None
    start: int | None = None
    end: int | None = None
    unknown: int | None = None
    numbers: tuple[tuple[float, ...], ...] | None = None

    def __len__(self) -> int:
        return len(self.tokens)

    @cached_property
    def ids(self) -> dict[str, int]:
        """The id of each token."""
        return {token: index for index, token in enumerate(self.tokens)}

    def id(self, token: str) -> int:
        """The id of a token, that of the unknown token when there is one.

        Raises:
            UserError: the token is not known, and there is no unknown token.
        """
        index = self.ids.get(token, self.unknown)
        if index is None:
            raise UserError(f"A token must be one of the vocabulary's {len(self)}. Got {token!r}.")
        return index

    @property
    def running(self) -> bool:
        """Whether it is that of running text: something stands before the first token, and nothing ends."""
        return self.end is None and self.start is not None

    @property
    def special(self) -> frozenset[int]:
        """Ids that play a part and are not text, except the unknown token.

        Without an end token the text is a running one, and the start token is a line break of it.
        """
        start = None if self.end is None else self.start
        return frozenset(index for index in (self.pad, start, self.end) if index is not None)

    def names(self, ids: Sequence[int]) -> list[str]:
        """The tokens behind ids."""
        return [self.tokens[index] for index in ids]
