"""The courses' own checks of samples, kept as they were, so that they can be held against the exact ones.

They accept samples that are wrong, and judge samples that were cut as if they had ended.
"""

from __future__ import annotations

import re
from collections.abc import Callable

LegacyCheck = Callable[[str], bool]

_WORDS = ("abc!", "uvw!", "klm!")
_BEGUN = "|".join(word[:length] for word in _WORDS for length in range(1, len(word)))
_LOOSE = re.compile(f"s(?:{'|'.join(_WORDS)}|s)*(?:{_BEGUN})?")


def counted_brackets(text: str) -> bool:
    """As many opening as closing brackets, in whatever order.

    >>> counted_brackets("(())"), counted_brackets("())("), counted_brackets("(()")
    (True, True, False)
    """
    return text.count("(") == text.count(")")


def loose_ndfa(text: str) -> bool:
    """Begins with `s` and goes on with whole words, of one kind or mixed, and `s`; may break off anywhere.

    >>> [loose_ndfa(text) for text in ("sabc!abc!s", "sabc!uvw!s", "sss", "sab", "sabs")]
    [True, True, True, True, False]
    """
    return _LOOSE.fullmatch(text) is not None


LEGACY_CHECKS: dict[str, LegacyCheck] = {
    "counted-brackets": counted_brackets,
    "loose-ndfa": loose_ndfa,
}
"""By the names under which a dataset asks for them."""
