"""Progress bars on standard error, drawn by rich; nothing where that is not a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, Task
from rich.table import Column
from rich.text import Text
from typing_extensions import override

from seqlab.cli import console
from seqlab.cli.console import duration
from seqlab.schema.visible import visible

_PATIENCE = 2.0
"""Seconds of work without a known length after which it is shown."""


class ProgressBars(Progress):
    """One line per task: a bar, its description, its speed and the time left.

    A task without a total is shown only while there is no other one, and only if it takes longer than two
    seconds. The field `tokens` of a task is the number of tokens per unit of `completed`.
    """

    def __init__(self, *, quiet: bool):
        err = console.err()
        has_ellipsis = err.encoding.startswith("utf")
        super().__init__(
            # Without a width of its own, the bar takes what the text leaves of the line, if anything.
            BarColumn(bar_width=None, table_column=Column(max_width=30)),
            _TaskText(table_column=Column(no_wrap=True, overflow="ellipsis" if has_ellipsis else "crop")),
            console=err,
            transient=True,
            # The bars' console is standard error: results on standard output must not be printed there.
            redirect_stdout=False,
            disable=quiet or not (err.is_interactive and err.file.isatty()),
        )

    @override
    def get_renderables(self) -> Iterable[RenderableType]:
        bars = [task for task in self.tasks if task.total is not None and not task.finished]
        waiting = [task for task in self.tasks if task.total is None and (task.elapsed or 0.0) > _PATIENCE]
        yield self.make_tasks_table(bars or waiting)


class _TaskText(ProgressColumn):
    """Description, tokens per second and time left of a task; without a total, the time it has taken."""

    @override
    def render(self, task: Task) -> Text:
        if task.total is None:
            return Text(f"{_label(task)} ... {task.elapsed or 0.0:.0f} s")
        parts = [_label(task)]
        if task.speed and "tokens" in task.fields:
            parts.append(f"{task.fields['tokens'] * task.speed:,.0f} tokens/s")
        if task.time_remaining is not None:
            parts.append(f"{duration(task.time_remaining)} left")
        return Text("  ".join(parts))


def _label(task: Task) -> str:
    return visible(task.description, encoding=console.err().encoding)
