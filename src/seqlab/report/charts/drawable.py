r"""What a chart may hold: texts of users as text, numbers that JSON has.

Vega compiles a chart to expressions, in whose strings a line separator is an error; it keeps groups in
objects of JavaScript, which have properties of their own; and SVG has no control characters: they abort the
process that writes PNG.
"""

from __future__ import annotations

import math
import re
from typing import Any

_UNDRAWABLE = re.compile(
    "["
    "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # control characters
    "\u2028\u2029"  # line and paragraph separators
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # they reorder the text around them
    "\ud800-\udfff\ufffe\uffff"  # no characters
    "]"
)
_PROPERTIES = frozenset(
    {
        "__defineGetter__",
        "__defineSetter__",
        "__lookupGetter__",
        "__lookupSetter__",
        "__proto__",
        "constructor",
        "hasOwnProperty",
        "isPrototypeOf",
        "propertyIsEnumerable",
        "toLocaleString",
        "toString",
        "valueOf",
    }
)
"""What every object of JavaScript has."""
_ZERO_WIDTH = "\u200b"


def drawable(value: Any) -> Any:
    r"""A chart, its data or a part of them with texts that Vega and SVG take as texts; None for infinities.

    >>> drawable({"label": "a\x1b", "rows": ["b", 1.5, math.inf]})
    {'label': 'a\\x1b', 'rows': ['b', 1.5, None]}
    """
    match value:
        case str():
            return _text(value)
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {key: drawable(inner) for key, inner in value.items()}
        case list() | tuple():
            return [drawable(inner) for inner in value]
        case _:
            return value


def _text(text: str) -> str:
    # A character without width makes another text of the name of a property, which looks the same.
    shown = text + _ZERO_WIDTH if text in _PROPERTIES else text
    return _UNDRAWABLE.sub(lambda match: ascii(match[0])[1:-1], shown)
