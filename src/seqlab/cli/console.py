"""Printing that commands share: sentences, texts, headings, tables, JSON.

Every command prints by these functions alone. They show data as it is: no markup, no emoji codes, and
characters that a terminal would obey as visible escapes.
"""

from __future__ import annotations

import json
import math
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from functools import lru_cache
from typing import Any, TextIO

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.table import Table
from rich.text import Text

from seqlab.schema.visible import visible, visible_json
from seqlab.stats.formatting import format_value

_UNLIMITED = 1_000_000
"""Width of a pipe or file, so that no line is wrapped."""
PAGE_WIDTH = 80
"""Width of an excerpt where there is no terminal."""
_INDENT = "    "
_READABLE = 12
"""Least width of a column, in cells, to which a narrow terminal wraps its content."""
_LONGEST_WORD = 24
"""Width, in cells, of a word from which on it may be broken, as paths and hashes are."""


_results: list[TextIO] = []
"""Where results go inside `results_apart`."""


@contextmanager
def results_apart() -> Iterator[None]:
    """Keep standard output for results: what code of the user's own prints goes to standard error."""
    _results.append(sys.stdout)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _results.pop()


def out() -> Console:
    """Standard output."""
    return _console(_results[-1] if _results else sys.stdout)


def err() -> Console:
    """Standard error."""
    return _console(sys.stderr)


@lru_cache(maxsize=4)
def _console(stream: TextIO) -> Console:
    width = None if stream.isatty() else _UNLIMITED
    return Console(file=stream, width=width, highlight=False, soft_wrap=True, _environ=_environment())


def help_console() -> Console:
    """For `--help`, which has the width of a page also in a pipe."""
    return Console(file=out().file, highlight=False, _environ=_environment())


def _environment() -> dict[str, str]:
    """The environment, without a size of the terminal that no terminal has."""
    sizes = ("COLUMNS", "LINES")
    return {
        name: value
        for name, value in os.environ.items()
        if name not in sizes or (value.isascii() and value.isdigit() and 0 < int(value[:5]) < 10_000)
    }


def print_line(text: str) -> None:
    """Print a sentence; a terminal wraps it between words, never inside a path, and a pipe not at all."""
    _print_sentence(text, out())


def print_note(text: str) -> None:
    """Print a sentence that is not the result, on standard error."""
    _print_sentence(text, err())


def print_excerpt(text: str, *, ended: bool) -> None:
    """Print the beginning of a text that is data, in one line on standard error.

    Line breaks are visible. Three dots follow what is longer than the line, or was cut before it ended.
    """
    console = err()
    width = min(console.width, 10_000) if console.file.isatty() else PAGE_WIDTH
    shown = visible(text, encoding=console.encoding) or "(empty)"
    available = width - len(_INDENT) - 1
    if cell_len(shown) > available or not ended:
        shown = f"{set_cell_size(shown, min(cell_len(shown), available - 4)).rstrip()} ..."
    console.print(Text(f"{_INDENT}{shown}"), soft_wrap=True)


def _print_sentence(text: str, console: Console) -> None:
    shown = visible(text, keep="\n\t", encoding=console.encoding)
    if console.file.isatty():
        console.print(Text(_fitted(shown.expandtabs(), console)))
    else:
        console.file.write(f"{shown}\n")


def _fitted(text: str, console: Console) -> str:
    return "\n".join(_wrapped(line, console.width) for line in text.split("\n"))


def _wrapped(line: str, width: int) -> str:
    """A line broken between words; a word that is too wide has a line of its own."""
    wrapped, used = "", 0
    for word in re.findall(r"\s*\S+", line):
        fits = not used or used + cell_len(word) <= width
        wrapped += word if fits else f"\n{word.lstrip()}"
        used = used + cell_len(word) if fits else cell_len(word.lstrip())
    return wrapped


def print_text(text: str) -> None:
    """Print a text that is data: in a pipe exactly as it is; on a terminal visible, and tabs as spaces."""
    console = out()
    if console.file.isatty():
        console.print(Text(visible(text, keep="\n\t", encoding=console.encoding)))
    else:
        console.file.write(f"{text}\n")


def print_heading(text: str, style: str = "bold") -> None:
    """Print a heading, which a terminal wraps between words."""
    console = out()
    shown = visible(text, keep="\n", encoding=console.encoding)
    console.print(Text(_fitted(shown, console), style))


def can_ask() -> bool:
    """Whether somebody can answer a question: input and output are a terminal."""
    return sys.stdin.isatty() and out().file.isatty()


def ask(question: str) -> bool:
    """The answer to a question; no answer is a no."""
    try:
        with redirect_stdout(out().file):
            answer = input(f"{visible(question, encoding=out().encoding)} [y/N] ")
    except EOFError:
        print_line("")
        return False
    return answer.strip().lower() in ("y", "yes")


def print_json(content: Any) -> None:
    """Print one JSON document on standard output; a number that is not finite is null."""
    document = json.dumps(_finite(content), indent=1, ensure_ascii=False, allow_nan=False)
    out().file.write(f"{visible_json(document, out().encoding)}\n")


def _finite(content: Any) -> Any:
    match content:
        case float():
            return content if math.isfinite(content) else None
        case Mapping():
            return {key: _finite(value) for key, value in content.items()}
        case list() | tuple():
            return [_finite(value) for value in content]
        case _:
            return content


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a plain table; columns of numbers and percentages are right-aligned, also with empty cells.

    A cell that is a tuple has several lines. A terminal too narrow for the columns shows each row as a list
    of names and values.
    """
    console = out()
    shown = [[_cell(cell, console) for cell in row] for row in rows]
    names = [_cell(column, console) for column in columns]
    least = [_least_width(column) for column in zip(names, *shown, strict=True)]
    if sum(width + 1 for width in least) - 1 > console.width:
        _print_rows(names, shown)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, name in enumerate(names):
        numeric = bool(rows) and all(_is_number(row[index]) or row[index] == "" for row in rows)
        justify = "right" if numeric else "left"
        table.add_column(Text(name), justify=justify, overflow="fold", min_width=least[index])
    for row in shown:
        table.add_row(*map(Text, row))
    # A table wraps within its columns, so it cannot be printed with soft wrapping.
    if console.file.isatty():
        console.print(table, soft_wrap=False)
        return
    with console.capture() as captured:
        console.print(table, soft_wrap=False)
    # Without the spaces that fill the last column.
    console.file.writelines(f"{line.rstrip(' ')}\n" for line in captured.get().split("\n")[:-1])


def table_width(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> int:
    """The width, in cells, that a table needs so that no cell is wrapped."""
    console = out()
    shown = [[_cell(cell, console) for cell in row] for row in (columns, *rows)]
    return sum(max(map(_width, column)) + 1 for column in zip(*shown, strict=True)) - 1


def _print_rows(names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    for row in rows:
        for name, cell in zip(names, row, strict=True):
            print_line(f"{name}: {cell}" if name else cell)
        print_line("")


def _cell(cell: Any, console: Console) -> str:
    if isinstance(cell, tuple):
        return "\n".join(_cell(line, console) for line in cell)
    return visible(f"{cell:,}" if isinstance(cell, int) else str(cell), encoding=console.encoding)


def _width(cell: str) -> int:
    return max((cell_len(line) for line in cell.split("\n")), default=0)


def _least_width(column: Sequence[str]) -> int:
    """The width at which a column is readable: no word of usual length is broken."""
    words = [word for cell in column for word in cell.split()]
    longest = min(max(map(cell_len, words), default=0), _LONGEST_WORD)
    return min(max(map(_width, column)), max(_READABLE, longest))


def _is_number(cell: Any) -> bool:
    if isinstance(cell, str):
        # "-" is a missing number.
        return cell == "-" or cell.removesuffix(" %").replace(",", "").replace(".", "", 1).isdigit()
    return isinstance(cell, int | float)


def percent(share: float) -> str:
    """A fraction as a percentage; a small one has more decimals.

    >>> percent(0.5), percent(0.00123), percent(3e-7), percent(0.0)
    ('50.0 %', '0.12 %', '3e-05 %', '0.0 %')
    """
    if 0 < share < 1e-3:
        return f"{100 * share:.2g} %"
    return f"{share:.2%}".replace("%", " %") if 0 < share < 0.01 else f"{share:.1%}".replace("%", " %")


def print_pairs(pairs: Mapping[str, Any]) -> None:
    """Print names and values, one pair per line."""
    width = max(map(cell_len, pairs), default=0)
    for name, value in pairs.items():
        shown = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else value
        print_line(f"{name}{' ' * (width - cell_len(name))}  {shown}")


def metrics_line(metrics: Mapping[str, float]) -> str:
    """Metrics in one line.

    >>> metrics_line({"loss": 1.23456, "accuracy": 0.5})
    'loss 1.2346, accuracy 0.5000'
    """
    return ", ".join(f"{name} {format_value(value)}" for name, value in metrics.items())


def duration(seconds: float) -> str:
    """Hours, minutes and seconds.

    >>> duration(9.6), duration(3725)
    ('0:10', '1:02:05')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def file_size(size: int) -> str:
    """Bytes in the unit that suits them.

    >>> file_size(0), file_size(1_500), file_size(3 * 2**20), file_size(5 * 2**30)
    ('0 KiB', '1.5 KiB', '3.0 MiB', '5.0 GiB')
    """
    if not size:
        return "0 KiB"
    unit, name = next(
        (unit, name)
        for unit, name in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))
        if size >= unit or unit == 2**10
    )
    return f"{max(size / unit, 0.1):,.1f} {name}"
