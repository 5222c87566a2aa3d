"""Settings as a TOML file to edit: each with its sentence above it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

import tomli_w

from seqlab.schema.described import DescribedSetting

_WIDTH = 100
"""Characters of a line of a comment."""


def annotated_toml(settings: Iterable[DescribedSetting], head: Mapping[str, Any]) -> str:
    """A TOML file that has every setting; one without a value as a comment.

    Args:
        settings: in the order of their class.
        head: keys at the top that are no settings.

    >>> path = DescribedSetting("data.path", None, None, "The file.", "must be given")
    >>> print(annotated_toml([path], {"about": "x"}))
    about = "x"
    <BLANKLINE>
    [data]
    <BLANKLINE>
    # The file.
    # path must be given.
    <BLANKLINE>
    """
    sections: dict[str, list[str]] = {"": [tomli_w.dumps(head)] if head else []}
    tables: list[str] = []
    for setting in settings:
        above, _, name = setting.key.rpartition(".")
        if isinstance(setting.value, Mapping):
            tables.append(_comment(setting.meaning) + tomli_w.dumps({setting.key: _plain(setting.value)}))
        else:
            sections.setdefault(above, []).append(_entry(name, setting))
    # A key after the heading of a table would belong to that table.
    parts = ["\n".join(sections.pop(""))]
    parts += [f"{_heading(above)}\n\n" + "\n".join(entries) for above, entries in sections.items()]
    return "\n".join([*parts, *tables])


def _heading(table: str) -> str:
    """The line before the settings of a table.

    >>> _heading("model"), _heading("model.layers.0")
    ('[model]', '[[model.layers]]')
    """
    above, _, last = table.rpartition(".")
    return f"[[{above}]]" if last.isdecimal() else f"[{table}]"


def _entry(name: str, setting: DescribedSetting) -> str:
    absent = f"# {name} {setting.absent}.\n"
    return _comment(setting.meaning) + (
        absent if setting.absent else tomli_w.dumps({name: _plain(setting.value)})
    )


def _comment(sentence: str) -> str:
    return "".join(f"# {line}\n" for line in textwrap.wrap(sentence, _WIDTH, break_on_hyphens=False))


def _plain(value: Any) -> Any:
    """A value that TOML has: it has no null."""
    match value:
        case None:
            return "none"
        case Mapping():
            return {key: _plain(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_plain(inner) for inner in value]
        case _:
            return value
