"""Which column of a table has the texts, the labels or the ids, where its name tells."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

from seqlab.data.sources.table_format import SEPARATORS

Role = Literal["text", "label", "id"]
_NAMES: dict[Role, frozenset[str]] = {
    "text": frozenset(
        [
            "text",
            "texts",
            "message",
            "messages",
            "sentence",
            "review",
            "comment",
            "content",
            "body",
            "document",
            "tweet",
            "post",
            "utterance",
        ]
    ),
    "label": frozenset(["label", "labels", "class", "category", "target", "sentiment", "y"]),
    "id": frozenset(["id", "ids", "uid", "uuid", "key"]),
}
"""Usual names of the columns, in lower case."""


def guess_column(role: Role, names: Sequence[str], *, taken: Collection[str] = ()) -> str | None:
    """The only column that can have a role, by its name or as the only one left; None where there is none.

    Args:
        role: what the column has.
        names: of all columns.
        taken: columns that have another role.

    >>> guess_column("text", ["id", "Message", "spam"]), guess_column("text", ["review", "comment"])
    ('Message', None)
    >>> guess_column("text", ["a"]), guess_column("label", ["a", "spam"], taken=["a"])
    ('a', 'spam')
    """
    usual = [name for name in names if name.strip().casefold() in _NAMES[role] and name not in taken]
    if usual:
        return usual[0] if len(usual) == 1 else None
    if len(names) == 1 and any(separator in names[0] for separator in SEPARATORS.values()):
        return None  # several columns with another separator
    left = [name for name in names if name not in taken and not is_usual(name)]
    return left[0] if len(left) == 1 and role != "id" else None


def is_usual(name: str) -> bool:
    """Whether the name is a usual one of any role."""
    return any(name.strip().casefold() in usual for usual in _NAMES.values())
