"""The templates and styles of pages: files of this package, filled with texts that are escaped."""

from __future__ import annotations

from importlib import resources

import jinja2
from markupsafe import Markup

from seqlab.report.table_text import readable


def environment() -> jinja2.Environment:
    """Templates that escape what they are filled with, and show control characters as visible escapes."""
    # A misspelt name in the template is an error instead of an empty text.
    return jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )


def template_file(name: str) -> str:
    """The text of a template, a style or a script."""
    return (resources.files("seqlab.report") / name).read_text(encoding="utf-8")


def _shown(value: object) -> object:
    """What an expression of the template puts on the page: texts of users and models without controls."""
    return readable(value) if isinstance(value, str) and not isinstance(value, Markup) else value
