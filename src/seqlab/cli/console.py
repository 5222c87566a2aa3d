"""What the commands share in printing: tables, JSON, and a line of progress on a terminal."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 1_000)
err = Console(stderr=True, highlight=False, soft_wrap=True)
"""Standard output (which has no width in a pipe: there a line stays a line), and standard error."""


def print_json(content: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A plain table; numbers right-aligned."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, column in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[index], int | float) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*[escape(f"{cell:,}" if isinstance(cell, int) else str(cell)) for cell in row])
    out.print(table)


def print_pairs(pairs: Mapping[str, Any]) -> None:
    """Names and values, one pair a line."""
    width = max((len(name) for name in pairs), default=0)
    for name, value in pairs.items():
        shown = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else value
        out.print(f"{name:<{width}}  {shown}", markup=False)


def metrics_line(metrics: Mapping[str, float]) -> str:
    """Metrics in one line, four decimals.

    >>> metrics_line({"loss": 1.23456, "accuracy": 0.5})
    'loss 1.2346, accuracy 0.5000'
    """
    return ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())


class ProgressLine:
    """Follows a training run: a bar on a terminal, nothing but results elsewhere."""

    def __init__(self, *, quiet: bool):
        self._quiet = quiet
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._rate = _Rate()

    def step(self, progress: Any, loss: float, total_epochs: int) -> None:
        """After each optimiser step."""
        if self._quiet or not err.is_terminal:
            return
        if self._bar is None:
            self._bar, self._task = _bar(), None
            self._bar.start()
            self._task = self._bar.add_task("", total=total_epochs, words="")
        moment = progress.moment
        rate = self._rate.update(moment.tokens, progress.step)
        if rate is not None and self._task is not None:
            words = f"epoch {moment.epoch:.2f}/{total_epochs}  loss {loss:.3f}  {rate:,.0f} tokens/s"
            self._bar.update(self._task, completed=moment.epoch, words=words)

    def validated(self, progress: Any, metrics: dict[str, float], best: bool) -> None:
        """After each validation."""
        if not self._quiet:
            mark = "  (best so far)" if best else ""
            epoch = progress.moment.epoch
            self.message(f"epoch {epoch:g}, step {progress.step}: validation {metrics_line(metrics)}{mark}")

    def message(self, text: str) -> None:
        """A line of its own, above the bar."""
        if not self._quiet:
            console = self._bar.console if self._bar is not None else err
            console.print(text, markup=False)

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


class _Rate:
    """Tokens a second over the last half second or more."""

    def __init__(self) -> None:
        self._then: tuple[float, int] | None = None

    def update(self, tokens: int, step: int) -> float | None:
        now = time.monotonic()
        if self._then is None:
            self._then = (now, tokens)
            return None
        passed = now - self._then[0]
        if passed < 0.5:
            return None
        rate = (tokens - self._then[1]) / passed
        self._then = (now, tokens)
        return rate


def _bar() -> Progress:
    columns = (BarColumn(bar_width=24), TextColumn("{task.fields[words]}"), TimeRemainingColumn())
    return Progress(*columns, console=err, transient=True)
