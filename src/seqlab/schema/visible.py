"""Text as it may be printed: what a terminal would obey, or cannot show, becomes a visible escape."""

from __future__ import annotations

import re

_UNPRINTABLE = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # control characters, among them the escapes that move cursors and set titles
    "\u2028\u2029"  # line and paragraph separators
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # they reorder the text around them
    "\ufeff"  # a byte order mark, which has no width
    "\ud800-\udfff\ufffe\uffff"  # no characters: halves of surrogate pairs, which no encoding has, and others
    "]"
)


def visible(text: str, *, keep: str = "", encoding: str = "utf-8") -> str:
    r"""The text with an escape for each character that is unprintable, or not in the encoding.

    Args:
        text: any text, for example a label or a name of a file.
        keep: unprintable characters to leave unchanged.
        encoding: of the stream.

    >>> print(visible("a\tb \x1b[1m \u202e"), visible("naïve", encoding="ascii"))
    a\tb \x1b[1m \u202e na\xefve
    """
    shown = _UNPRINTABLE.sub(lambda match: match[0] if match[0] in keep else _escape(match[0]), text)
    return shown.encode(encoding, "backslashreplace").decode(encoding)


def shortened(text: str, length: int = 60) -> str:
    """A label or a name for a line of output, without its end where it has more characters than `length`.

    >>> shortened("a long text", 6), shortened("a text", 6)
    ('a l...', 'a text')
    """
    return text if len(text) <= length else f"{text[: length - 3]}..."


def visible_json(document: str, encoding: str = "utf-8") -> str:
    r"""A JSON document with JSON's own escape for each such character; its content is the same.

    >>> print(visible_json('{"a": "\u202e 😀"}', "ascii"))
    {"a": "\u202e \ud83d\ude00"}
    """
    shown = _UNPRINTABLE.sub(lambda match: match[0] if match[0] == "\n" else _json_escape(match[0]), document)
    try:
        shown.encode(encoding)
    except UnicodeEncodeError:
        return "".join(char if char.isascii() else _json_escape(char) for char in shown)
    return shown


def _escape(char: str) -> str:
    return {"\n": r"\n", "\t": r"\t", "\r": r"\r"}.get(char, ascii(char)[1:-1])


def _json_escape(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
