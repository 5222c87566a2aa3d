"""Tables of a report: plain cells with a caption, and the columns that many of them share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seqlab.report.chapters import Entry

CellValue = str | int | float | None


@dataclass(frozen=True)
class ReportColumn:
    """Title of a column and unit of its cells.

    code: whether they are set in a fixed-width font.
    printed: whether a paper shows the column, for which a command, for example, is too wide.
    """

    title: str
    unit: str = ""
    code: bool = False
    printed: bool = True


@dataclass(frozen=True, kw_only=True)
class ReportTable:
    """A table whose first column names the row.

    entries: the run of each row, where rows are runs; a row is marked with the style of its run.
    best: indices of highlighted rows.
    censored: indices of rows whose run did not finish.
    page_note: what the page adds to the caption, because it is about the page.
    chooser: whether the reader chooses here the runs that all charts and tables of runs show.
    """

    name: str
    caption: str
    columns: tuple[ReportColumn, ...]
    rows: tuple[tuple[CellValue, ...], ...]
    entries: tuple[Entry, ...] = ()
    best: frozenset[int] = frozenset()
    censored: frozenset[int] = frozenset()
    chooser: bool = False
    page_note: str = ""


RUN_COLUMNS = (ReportColumn("run"), ReportColumn("model"), ReportColumn("seed"))
"""The first columns of a table whose rows are runs; `run_cells` fills them."""


def run_cells(entry: Entry) -> tuple[CellValue, ...]:
    """The first cells of a run's row, for `RUN_COLUMNS`."""
    return entry.number, entry.label, entry.seed


def words(name: str) -> str:
    """A recorded name as words."""
    return name.replace("_", " ")


def capitalized(text: str) -> str:
    """The text with an upper-case first letter; `str.capitalize` would change the other letters, too."""
    return text[:1].upper() + text[1:]


def split_title(split: str) -> str:
    """A split as captions call it.

    >>> split_title("valid"), split_title("longer")
    ('validation split', 'longer split')
    """
    titles = {"valid": "validation split", "train": "training split"}
    return titles.get(split, f"{split} split")


def metric_column(name: str, unit: str) -> ReportColumn:
    """The column of a metric."""
    return ReportColumn(words(name), "" if unit == words(name) else unit)


def run_cost(entry: Entry) -> dict[str, Any]:
    """Steps, epochs, tokens, seconds, speed, memory and hardware of a run.

    Of an unfinished run the values up to its last record, and None for what is only known at the end.
    """
    run = entry.run
    if run.summary:
        return {key: run.summary[key] for key in ("steps", "epochs", "tokens")} | {**run.summary["cost"]}
    environment: Mapping[str, Any] = run.environment or {}
    last = run.records[-1][1] if run.records else None
    timing = run.timings[-1] if run.timings else None
    return {
        "steps": last.step if last else None,
        "epochs": last.epoch if last else None,
        "tokens": last.tokens if last else None,
        "training_seconds": timing.seconds if timing else None,
        "evaluation_seconds": None,
        "tokens_per_second": timing.tokens_per_second if timing else None,
        "peak_memory_mib": None,
        **{key: environment.get(key) for key in ("threads", "device", "processor")},
    }
