"""Where in a text its tokens are: pairs of the first character and the one after the last."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from itertools import chain

from seqlab.data.tokenizers.marks import MARKS

Span = tuple[int, int]

# What is composed together: a character with its marks, and the letters of Hangul syllables.
_CLUSTER = re.compile(f"[\u1100-\u11ff]+|.[{MARKS}]*", re.DOTALL)


def matched(pattern: re.Pattern[str], text: str) -> list[Span]:
    """Where a pattern matches."""
    return [match.span() for match in pattern.finditer(text)]


def byte_spans(text: str) -> list[Span]:
    """The character of each byte of the text in UTF-8; the bytes of one character have the same span.

    >>> byte_spans("né")
    [(0, 1), (1, 2), (1, 2)]
    """
    sizes = (len(character.encode("utf-8", "replace")) for character in text)
    return list(chain.from_iterable([(index, index + 1)] * size for index, size in enumerate(sizes)))


def found_in_order(words: Sequence[str], text: str) -> list[Span] | None:
    """Where words are that a tokenizer found in the text; None where one of them is not found after the last.

    A word may differ from the text in case, in the composition of its accents and by invisible characters. It
    begins and ends where characters do, not between one and its accent.

    >>> found_in_order(["grösse", "caf"], "Die GRÖSSE, Café"), found_in_order(["be"], "was")
    ([(4, 10), (12, 15)], None)
    """
    folded, begins, ends = _folded(text)
    spans: list[Span] = []
    after = 0
    for word in words:
        needle = _folded(word)[0]
        at = folded.find(needle, after)
        while at >= 0 and (at not in begins or at + len(needle) not in ends):
            at = folded.find(needle, at + 1)
        if at < 0 or not needle:
            return None
        after = at + len(needle)
        spans.append((begins[at], ends[after]))
    return spans


def _folded(text: str) -> tuple[str, dict[int, int], dict[int, int]]:
    """The text without case, composed, without invisible characters; and what its indices are in the text.

    Returns:
        The folded text, and by index in it where in the text a character begins, and where one ends.
    """
    if text.isascii():
        indices = {index: index for index in range(len(text) + 1)}
        return text.lower(), indices, indices
    parts: list[str] = []
    begins: dict[int, int] = {}
    ends: dict[int, int] = {}
    length = 0
    for match in _CLUSTER.finditer(text):
        part = "".join(char for char in _composed(match[0]) if unicodedata.category(char) != "Cf")
        if part:
            begins[length] = match.start()
            length += len(part)
            ends[length] = match.end()
            parts.append(part)
    return "".join(parts), begins, ends


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
