"""Cells of tables that spreadsheet programs open."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def no_formula(text: str) -> str:
    """The text, after an apostrophe where a spreadsheet would take it for a formula; a number stays one.

    >>> [no_formula(text) for text in ("=cmd", " @SUM(A1)", "-5", "-1e-3", "a=b")]
    ["'=cmd", "' @SUM(A1)", '-5', '-1e-3', 'a=b']
    """
    if text.strip()[:1] not in ("=", "+", "-", "@") or _NUMBER.fullmatch(text):
        return text
    return f"'{text}"
