"""What the commands share in printing: tables, JSON, and a line of progress on a terminal."""

from __future__ import annotations

import json
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

_PATIENCE = 2.0
"""Seconds without news after which a terminal shows what is being done."""

out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 1_000)
err = Console(stderr=True, highlight=False, soft_wrap=True)
"""Standard output (which has no width in a pipe: there a line stays a line), and standard error."""


def say(text: str, console: Console = out) -> None:
    """A line of words; a terminal breaks it between words, never inside a path, and a pipe not at all."""
    if console.is_terminal:
        text = textwrap.fill(text, console.width, break_long_words=False, break_on_hyphens=False)
    console.print(text, markup=False)


def print_json(content: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A plain table; numbers and percentages right-aligned, also where some rows have none."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, column in enumerate(columns):
        numeric = bool(rows) and all(_is_number(row[index]) or row[index] == "" for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*[escape(f"{cell:,}" if isinstance(cell, int) else str(cell)) for cell in row])
    # A table wraps inside its columns, so it needs a width where standard output has none of its own.
    out.print(table, soft_wrap=False)


def _is_number(cell: Any) -> bool:
    if isinstance(cell, str):
        return cell == "-" or cell.removesuffix(" %").replace(",", "").replace(".", "", 1).isdigit()
    return isinstance(cell, int | float)


def percent(share: float) -> str:
    """A fraction as a percentage; a small one keeps its first digits.

    >>> percent(0.5), percent(0.00123), percent(0.0)
    ('50.0 %', '0.12 %', '0.0 %')
    """
    return f"{share:.2%}".replace("%", " %") if 0 < share < 0.01 else f"{share:.1%}".replace("%", " %")


def print_pairs(pairs: Mapping[str, Any]) -> None:
    """Names and values, one pair a line."""
    width = max((len(name) for name in pairs), default=0)
    for name, value in pairs.items():
        shown = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else value
        say(f"{name:<{width}}  {shown}")


def metrics_line(metrics: Mapping[str, float]) -> str:
    """Metrics in one line, four decimals.

    >>> metrics_line({"loss": 1.23456, "accuracy": 0.5})
    'loss 1.2346, accuracy 0.5000'
    """
    return ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())


class ProgressLine:
    """Follows a run: bars on a terminal, nothing but results elsewhere.

    While nothing was heard for two seconds, it shows what is being done and for how long.
    """

    def __init__(self, *, quiet: bool):
        self._quiet = quiet
        self._live: Live | None = None
        self._training: _Training | None = None
        self._scoring: tuple[int, int] | None = None
        self._doing, self._heard = "", time.monotonic()

    def step(self, progress: Any, loss: float, total_epochs: float) -> None:
        """After each optimiser step."""
        epoch = progress.moment.epoch
        if self._training is None or epoch < self._training.epoch:
            self._training = _Training(epoch, progress.tokens)
        self._training.update(epoch, total_epochs, progress.tokens, loss)
        self._scoring = None
        self._hear()

    def scored(self, done: int, total: int) -> None:
        """After each batch of an evaluation."""
        self._scoring = (done, total) if done < total else None
        self._hear()

    def validated(self, progress: Any, metrics: dict[str, float], best: bool) -> bool:
        """After each validation; never a reason to stop."""
        mark = "  (best so far)" if best else ""
        epoch = round(progress.moment.epoch, 2)
        self.message(f"epoch {epoch:g}, step {progress.step:,}: validation {metrics_line(metrics)}{mark}")
        return False

    def message(self, text: str) -> None:
        """A line of its own, above the bars."""
        if not self._quiet:
            say(text, err)
        self._hear()

    def working(self, words: str) -> None:
        """What is done from now on; shown when it takes longer than two seconds."""
        self._hear(words)

    def close(self) -> None:
        """Remove the bars."""
        if self._live is not None:
            self._live.stop()
            self._live = None
        self._training = self._scoring = None

    def _hear(self, doing: str = "") -> None:
        self._doing, self._heard = doing, time.monotonic()
        if self._live is None and err.is_terminal and not self._quiet:
            self._live = Live(console=err, get_renderable=self._render, transient=True, redirect_stdout=False)
            self._live.start()

    def _render(self) -> RenderableType:
        """What the bars show now; called a few times a second from another thread."""
        rows: list[RenderableType] = []
        training, scoring, waited = self._training, self._scoring, time.monotonic() - self._heard
        if training is not None and training.share < 1:
            rows.append(bar(training.share, training.words()))
        if scoring is not None:
            done, total = scoring
            rows.append(bar(done / total, f"scoring, batch {done:,} of {total:,}"))
        if waited > _PATIENCE and not rows:
            rows.append(Text(f"{self._doing} ... {waited:.0f} s".strip(), no_wrap=True, overflow="ellipsis"))
        return Group(*rows)


@contextmanager
def working(words: str, *, quiet: bool) -> Iterator[ProgressLine]:
    """Show what the block does, on a terminal and when it takes longer than two seconds."""
    line = ProgressLine(quiet=quiet)
    line.working(words)
    try:
        yield line
    finally:
        line.close()


class _Training:
    """How far training is, how fast it goes, and how long it will take at the pace so far."""

    def __init__(self, epoch: float, tokens: int):
        self.epoch, self.total, self.loss = epoch, epoch, 0.0
        self._began, self._first_epoch = time.monotonic(), epoch
        self._rate, self._rate_since = 0.0, (self._began, tokens)

    @property
    def share(self) -> float:
        """Share of the epochs that is done."""
        return min(1.0, self.epoch / self.total)

    def update(self, epoch: float, total: float, tokens: int, loss: float) -> None:
        """Note a step; the rate is that of the last half second or more."""
        self.epoch, self.total, self.loss = epoch, total, loss
        now, (then, tokens_then) = time.monotonic(), self._rate_since
        if now - then > 0.5:
            self._rate, self._rate_since = (tokens - tokens_then) / (now - then), (now, tokens)

    def words(self) -> str:
        """Epoch, loss, tokens per second and time left."""
        parts = [f"epoch {self.epoch:.2f} of {self.total:.4g}", f"loss {self.loss:.3f}"]
        if self._rate:
            parts.append(f"{self._rate:,.0f} tokens/s")
        if self.epoch > self._first_epoch:
            pace = (time.monotonic() - self._began) / (self.epoch - self._first_epoch)
            parts.append(f"{duration(max(0.0, self.total - self.epoch) * pace)} left")
        return "  ".join(parts)


def duration(seconds: float) -> str:
    """Hours, minutes and seconds.

    >>> duration(9.6), duration(3725)
    ('0:10', '1:02:05')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def bar(share: float, words: str) -> RenderableType:
    """A bar with words behind it, on one line."""
    row = Table.grid(padding=(0, 2, 0, 0))
    width = max(8, min(30, err.width - len(words) - 3))
    row.add_row(ProgressBar(total=1.0, completed=share, width=width), Text(words, no_wrap=True))
    return row
