"""The runs of `seqlab list runs` as a table, or in paragraphs where the terminal is narrow."""

from __future__ import annotations

from collections.abc import Sequence

from seqlab.cli.console import duration, out, print_heading, print_line, print_note, print_table, table_width
from seqlab.experiment.run_list import COLUMNS, RunRow
from seqlab.runs import run_folder
from seqlab.stats.formatting import counted, format_value


def print_runs(rows: Sequence[RunRow], *, filtered: bool) -> None:
    """Print runs, and what is wrong with the damaged ones.

    Args:
        rows: in the order in which they are printed.
        filtered: whether there may be others.
    """
    if not rows:
        none = "No run meets the conditions." if filtered else _NONE.format(run_folder.root())
        print_line(none)
        return
    cells = [_cells(row) for row in rows]
    if table_width(COLUMNS, cells) <= out().width:
        print_table(COLUMNS, cells)
    else:
        _print_paragraphs(rows, cells)
    for row in rows:
        if row.problem:
            print_note(f"{row.name}: {row.problem}")
    stopped = sum(row.state == "stopped" for row in rows)
    if stopped:
        print_note(f"{counted(stopped, 'run')} stopped before the end; `seqlab resume RUN` continues one.")


_NONE = "none yet in {}; `seqlab train` creates them"


def _print_paragraphs(rows: Sequence[RunRow], cells: Sequence[Sequence[str]]) -> None:
    for row, (date, name, state, task, architecture, seed, metric, seconds, changed) in zip(
        rows, cells, strict=True
    ):
        print_heading(name)
        what = [state, date, task, architecture, f"seed {seed}" if row.seed is not None else ""]
        result = [metric, seconds] if row.metric else []
        for line in (", ".join(filter(None, what)), ", ".join(result), changed):
            if line:
                print_line(f"  {line}")


def _cells(row: RunRow) -> list[str]:
    value = "" if row.value is None else f"{row.metric} {format_value(row.value)}"
    return [
        "" if row.date is None else f"{row.date:%Y-%m-%d %H:%M}",
        row.name,
        row.state,
        row.task,
        row.architecture,
        "" if row.seed is None else str(row.seed),
        value,
        "" if row.seconds is None else duration(row.seconds),
        row["changed"],
    ]
