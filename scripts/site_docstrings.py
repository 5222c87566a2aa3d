"""Docstrings as the documentation site shows them; its reader of sources, Griffe, loads this by its path.

Docstrings are written for people who read them in an editor. Two things become Markdown on the way: doctests
turn into blocks of code, and full names in backticks turn into links.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

# From the first `>>>` to the next empty line, as doctest itself reads it.
_DOCTEST = re.compile(r"^( *)>>> .*(?:\n\1.*\S.*)*", flags=re.MULTILINE)
_FULL_NAME = re.compile(r"(?<!\[)`(seqlab(?:\.\w+)+)(\([^`\n]*\))?`")


def with_links(text: str) -> str:
    """Markdown in which `seqlab.place.name` in backticks refers to that name's documentation.

    The name must exist, or a strict build fails.
    """
    return _FULL_NAME.sub(lambda found: f"[{found[0]}][{found[1]}]", text)


def with_doctests(text: str) -> str:
    """Markdown in which doctests are blocks of code, which keep their brackets and asterisks."""
    return _DOCTEST.sub(lambda found: f"{found[1]}```pycon\n{found[0]}\n{found[1]}```", text)


class Docstrings(griffe.Extension):
    """Rewrites each docstring once its object has been read."""

    def on_object(self, *, obj: griffe.Object, loader: griffe.GriffeLoader, **_: Any) -> None:
        """Called by Griffe for each module, class, function and attribute."""
        if obj.docstring:
            obj.docstring.value = with_links(with_doctests(obj.docstring.value))
