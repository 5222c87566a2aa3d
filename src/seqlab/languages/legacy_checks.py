"""Approximate checks of samples from earlier experiments, unchanged, to compare them with the exact ones.

They accept some wrong samples, and check samples that were cut as if they were complete.
"""

from __future__ import annotations

import re
from collections.abc import Callable

LegacyCheck = Callable[[str], bool]

_WORDS = ("abc!", "uvw!", "klm!")
_PARTIAL = "|".join(word[:length] for word in _WORDS for length in range(1, len(word)))
_LOOSE = re.compile(f"s(?:{'|'.join(_WORDS)}|s)*(?:{_PARTIAL})?")


def counted_brackets(text: str) -> bool:
    """Equally many opening and closing brackets, in any order.

    >>> counted_brackets("(())"), counted_brackets("())("), counted_brackets("(()")
    (True, True, False)
    """
    return text.count("(") == text.count(")")


def loose_ndfa(text: str) -> bool:
    """An `s`, then whole words, of one kind or mixed, and further `s`; the last word may be incomplete.

    >>> [loose_ndfa(text) for text in ("sabc!abc!s", "sabc!uvw!s", "sss", "sab", "sabs")]
    [True, True, True, True, False]
    """
    return _LOOSE.fullmatch(text) is not None


LEGACY_CHECKS: dict[str, LegacyCheck] = {
    "counted-brackets": counted_brackets,
    "loose-ndfa": loose_ndfa,
}
"""By the names that datasets refer to."""
