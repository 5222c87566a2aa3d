r"""What a chart may hold: texts of users as text, numbers that JSON has.

Vega compiles a chart to expressions, in whose strings a line separator is an error; it keeps groups in
objects of JavaScript, which have properties of their own; and SVG has no control characters: they abort the
process that writes PNG.
"""

from __future__ import annotations

import math
from typing import Any

from seqlab.schema.visible import visible

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
    return visible(shown, keep="\t\n")
