"""Tokens and their ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from seqlab.schema.errors import UserError


@dataclass(frozen=True)
class Vocabulary:
    """Tokens in the order of their ids, and the ids that have a role.

    A role that no token has is None. In running text one token may have two roles: in the Penn Treebank
    `<eos>` both ends a line and precedes the first one. `numbers` holds the numbers that each token denotes,
    equally many per token; None where tokens are not numbers.

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
        """The id of a token, or the id of the unknown token if there is one.

        Raises:
            UserError: the vocabulary contains neither this token nor an unknown token.
        """
        index = self.ids.get(token, self.unknown)
        if index is None:
            raise UserError(f"A token must be one of the vocabulary's {len(self)}. Got {token!r}.")
        return index

    @property
    def running(self) -> bool:
        """Whether it is a vocabulary of running text: a token precedes the text, and none ends it."""
        return self.end is None and self.start is not None

    @property
    def of_characters(self) -> bool:
        """Whether every token is one character, but for those that have a role.

        >>> Vocabulary(("<eos>", "a", "b"), start=0).of_characters, Vocabulary(("a", "of")).of_characters
        (True, False)
        """
        roles = {self.pad, self.start, self.end, self.unknown}
        return all(len(token) == 1 for index, token in enumerate(self.tokens) if index not in roles)

    @property
    def special(self) -> frozenset[int]:
        """Ids of tokens that are not part of the text; the unknown token is not one of them.

        In running text (no end token) the start token is a line break, which is part of the text.
        """
        start = None if self.end is None else self.start
        return frozenset(index for index in (self.pad, start, self.end) if index is not None)

    def names(self, ids: Sequence[int]) -> list[str]:
        """The tokens with these ids."""
        return [self.tokens[index] for index in ids]
