"""The layout of `--help`: names in one column, their meaning in the other, no boxes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cyclopts.help import HelpEntry, HelpPanel
from rich.console import Console, ConsoleOptions
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

_LEAST_MEANING = 24
"""Width beside the names below which a terminal shows each meaning on lines of its own."""


class HelpPages:
    """Prints the parts of a help page; cyclopts calls its methods in their order."""

    def render_usage(self, console: Console, options: ConsoleOptions, usage: Any) -> None:
        """Print the line that shows how a command is written."""
        if usage:
            console.print(Text(f"Usage: {usage}".strip(), "bold"))

    def render_description(self, console: Console, options: ConsoleOptions, description: Any) -> None:
        """Print what a command does."""
        if description:
            console.print()
            for paragraph in _paragraphs(_text(console, description)):
                console.print(Text(paragraph))

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        """Print one group of commands, arguments or options."""
        if not panel.entries:
            return
        rows = [(_names(entry), _meaning(console, entry)) for entry in panel.entries]
        console.print()
        console.print(Text(f"{panel.title}:", "bold"))
        if max(len(name) for name, _ in rows) + _LEAST_MEANING > console.width:
            for name, meaning in rows:
                console.print(Text(f"  {name}", overflow="fold"))
                console.print(Padding(Text(meaning, overflow="fold"), (0, 0, 0, min(4, console.width // 5))))
            return
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for name, meaning in rows:
            table.add_row(Text(name), Text(meaning))
        console.print(Padding(table, (0, 0, 0, 2)))


def _paragraphs(text: str) -> Iterator[str]:
    """The paragraphs of a docstring, separated by empty ones, without its line breaks: the console wraps."""
    for index, paragraph in enumerate(text.strip().split("\n\n")):
        if index:
            yield ""
        yield " ".join(paragraph.split())


def _names(entry: HelpEntry) -> str:
    # A positional argument is known by its label.
    return entry.positional_label or ", ".join(entry.display_labels_with_metavar)


def _meaning(console: Console, entry: HelpEntry) -> str:
    parts = [" ".join(_text(console, entry.description).split())]
    if entry.choices:
        parts.append(f"One of: {', '.join(entry.choices)}.")
    if entry.default not in (None, "False", "()"):
        parts.append(f"[default: {entry.default}]")
    return " ".join(filter(None, parts))


def _text(console: Console, description: Any) -> str:
    """The text of a description, which may be any rich renderable."""
    return "".join(segment.text for segment in console.render(description)) if description else ""
