"""What the commands share in printing: tables, JSON, and a line of progress on a terminal."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
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
    """Follows a run: a bar on a terminal, nothing but results elsewhere."""

    def __init__(self, *, quiet: bool):
        self._quiet = quiet
        self._bar: Progress | None = None
        self._rate = _Rate()

    def step(self, progress: Any, loss: float, total_epochs: int) -> None:
        """After each optimiser step."""
        rate = self._rate.update(progress.tokens)
        if rate is not None:
            moment = progress.moment
            words = f"epoch {moment.epoch:.2f}/{total_epochs}  loss {loss:.3f}  {rate:,.0f} tokens/s"
            self._show(moment.epoch, total_epochs, words)

    def scored(self, done: int, total: int) -> None:
        """After each batch of an evaluation."""
        self._show(done, total, f"scoring, batch {done} of {total}")

    def _show(self, done: float, total: float, words: str) -> None:
        if self._quiet or not err.is_terminal:
            return
        if self._bar is None or self._bar.tasks[0].total != total:
            self.close()
            self._bar = _bar()
            self._bar.add_task("", total=total, words=words)
            self._bar.start()
        self._bar.update(self._bar.task_ids[0], completed=done, words=words)

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
    """Tokens a second over the last half second or more; None when less has passed."""

    def __init__(self) -> None:
        self._then: tuple[float, int] | None = None

    def update(self, tokens: int) -> float | None:
        now = time.monotonic()
        then, tokens_then = self._then or (now, tokens)
        if self._then is not None and now - then < 0.5:
            return None
        self._then = (now, tokens)
        return (tokens - tokens_then) / (now - then) if now > then else None


def _bar() -> Progress:
    columns = (BarColumn(bar_width=24), TextColumn("{task.fields[words]}"), TimeRemainingColumn())
    return Progress(*columns, console=err, transient=True)
