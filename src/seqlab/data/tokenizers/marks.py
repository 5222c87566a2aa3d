"""Marks, which belong to the character before them in every script, and characters that are invisible."""

from __future__ import annotations

import re
import unicodedata
from itertools import chain, pairwise

JOINERS = "\u200c\u200d"
"""The invisible non-joiner and joiner, which occur within emoji and words of Persian and Indic scripts."""


def _ranges() -> str:
    """Every mark (Unicode category M) as ranges of a regular expression."""
    # No mark is outside of these blocks; to search all of Unicode would take a tenth of a second.
    blocks = ((0x300, 0x3100), (0xA660, 0xAC00), (0xFB00, 0x12000), (0x13400, 0x13500), (0x16A00, 0x1F000))
    points = chain.from_iterable(range(*block) for block in (*blocks, (0xE0100, 0xE01F0)))
    marks = [point for point in points if unicodedata.category(chr(point)).startswith("M")]
    begins = [marks[0], *(after for before, after in pairwise(marks) if after > before + 1)]
    ends = [*(before for before, after in pairwise(marks) if after > before + 1), marks[-1]]
    return "".join(f"{chr(begin)}-{chr(end)}" for begin, end in zip(begins, ends, strict=True))


MARKS = _ranges()
"""The marks, for a class of a regular expression."""


SOFT_HYPHEN = "\u00ad"
"""It shows where a word may be broken; some texts have it as a dash."""
SPACE = "\u200b"
"""The space without width, which separates words of scripts that have no other space."""
_FORMAT = (
    "\u061c\u180e\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
)
"""Invisible characters that say how text is set: directions, joined words, byte order marks."""
TAGS = "\U000e0001\U000e0020-\U000e007f"
"""Invisible letters, of which flags of regions consist; they have no meaning after anything else."""
_ALPHABETS = "A-Za-z0-9\u00c0-\u058f\u1e00-\u1fff"
"""Latin, Greek, Cyrillic and Armenian, whose letters a joiner does not change."""
# In this order: what is removed may separate the next ones from their letter.
_REMOVED = (
    re.compile(f"[{_FORMAT}]+"),
    re.compile(f"(?<=[{_ALPHABETS}{SOFT_HYPHEN}])[{JOINERS}]+"),
    re.compile(rf"(?<=[\w{MARKS}])[{TAGS}]+"),
    re.compile(rf"(?<=[\w{MARKS}]){SOFT_HYPHEN}+(?=\w)"),
)


def without_format(text: str) -> str:
    r"""The text without invisible characters that are no part of a word: what is left looks the same.

    A soft hyphen is removed within words only, joiners only where they do not change the shape of letters.

    >>> without_format("co\u00adop\u2060erate")
    'cooperate'
    >>> ascii(without_format("\u0645\u06cc\u200c\u0631"))
    "'\\u0645\\u06cc\\u200c\\u0631'"
    """
    for pattern in _REMOVED:
        text = pattern.sub("", text)
    return text


def composed(text: str) -> str:
    """The text in Unicode normal form C: accents composed with their letters, other marks in one order."""
    return unicodedata.normalize("NFC", text)
