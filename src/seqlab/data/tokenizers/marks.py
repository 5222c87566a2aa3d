"""Marks: accents, vowel signs and the like, which belong to the character before them in every script."""

from __future__ import annotations

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


def composed(text: str) -> str:
    """The text in Unicode normal form C: accents composed with their letters, other marks in one order."""
    return unicodedata.normalize("NFC", text)
