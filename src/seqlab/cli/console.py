"""Printing that commands share: sentences, tables, JSON."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

# Rich assumes a width of 80 in a pipe, and would wrap lines that other programs read.
out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 1_000)
err = Console(stderr=True, highlight=False, soft_wrap=True)
"""Standard output, which in a pipe has no width, so that no line is wrapped; and standard error."""


def print_line(text: str, console: Console = out) -> None:
    """Print a sentence; a terminal wraps it between words, never inside a path, and a pipe not at all."""
    if console.is_terminal:
        text = textwrap.fill(text, console.width, break_long_words=False, break_on_hyphens=False)
    console.print(text, markup=False)


def print_json(content: Any) -> None:
    """Print one JSON document on standard output."""
    sys.stdout.write(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a plain table; columns of numbers and percentages are right-aligned, also with empty cells."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, column in enumerate(columns):
        numeric = bool(rows) and all(_is_number(row[index]) or row[index] == "" for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*[escape(f"{cell:,}" if isinstance(cell, int) else str(cell)) for cell in row])
    # A table wraps within its columns, so it cannot be printed with soft wrapping.
    out.print(table, soft_wrap=False)


def _is_number(cell: Any) -> bool:
    if isinstance(cell, str):
        # "-" is a missing number.
        return cell == "-" or cell.removesuffix(" %").replace(",", "").replace(".", "", 1).isdigit()
    return isinstance(cell, int | float)


def percent(share: float) -> str:
    """A fraction as a percentage; a small one has more decimals.

    >>> percent(0.5), percent(0.00123), percent(0.0)
    ('50.0 %', '0.12 %', '0.0 %')
    """
    return f"{share:.2%}".replace("%", " %") if 0 < share < 0.01 else f"{share:.1%}".replace("%", " %")


def print_pairs(pairs: Mapping[str, Any]) -> None:
    """Print names and values, one pair per line."""
    width = max((len(name) for name in pairs), default=0)
    for name, value in pairs.items():
        shown = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else value
        print_line(f"{name:<{width}}  {shown}")


def metrics_line(metrics: Mapping[str, float]) -> str:
    """Metrics in one line, four decimals.

    >>> metrics_line({"loss": 1.23456, "accuracy": 0.5})
    'loss 1.2346, accuracy 0.5000'
    """
    return ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())


def duration(seconds: float) -> str:
    """Hours, minutes and seconds.

    >>> duration(9.6), duration(3725)
    ('0:10', '1:02:05')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
