"""Figures as SVG and PNG, tables as CSV, Markdown and LaTeX: for papers, slides and other programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from seqlab.report.charts.drawings import FONT_SIZE, Drawing, drawings, short_slug
from seqlab.report.charts.figure import Figure
from seqlab.report.latex import to_latex
from seqlab.report.table_text import to_csv, to_markdown
from seqlab.report.tables import ReportTable
from seqlab.runs import atomic

RETRY = "write the report again"
TABLE_FORMATS: dict[str, Callable[[ReportTable], str]] = {
    ".csv": to_csv,
    ".md": to_markdown,
    ".tex": to_latex,
}
"""How a table is written, by the suffix of its file."""

Files = Mapping[str, bytes]
"""Contents by file name."""


def write_static_files(
    folder: Path,
    tables: Sequence[ReportTable],
    figures: Sequence[Figure],
    vl_version: str,
    *,
    font_size: int = FONT_SIZE,
    documents: Files = MappingProxyType({}),
) -> list[Path]:
    """Write every table and figure under its number on the page; needs neither network nor browser.

    Args:
        folder: it is created; files of the same names are replaced.
        tables: in the order of their numbers.
        figures: in the order of their numbers; one file per axis, and the data as a table.
        vl_version: version of Vega-Lite that the charts are written in.
        font_size: of the charts' labels, in pixels.
        documents: further files of the same folder.

    Returns:
        The files written.

    Raises:
        WorkError: the disk is full or cannot be written.
    """
    files = dict(documents)
    for number, table in enumerate(tables, start=1):
        files |= _table_files(table_stem(number, table), table)
    for number, figure in enumerate(figures, start=1):
        if not figure.source:
            files |= _table_files(f"figure-{number:02}-{short_slug(figure.name)}", figure.table)
        for drawing in drawings(figure, font_size=font_size):
            for suffix in (".svg", ".png"):
                files[f"{drawing_stem(number, drawing)}{suffix}"] = drawing.write(suffix, vl_version)
    for name, content in files.items():
        atomic.write_bytes(folder / name, content, retry=RETRY)
    return [folder / name for name in files]


def table_stem(number: int, table: ReportTable) -> str:
    """The name of the files of a table, before their suffixes."""
    return f"table-{number:02}-{short_slug(table.name)}"


def drawing_stem(number: int, drawing: Drawing) -> str:
    """The name of the files of a drawing of the figure with this number, before their suffixes."""
    return f"figure-{number:02}-{drawing.name}"


def table_bytes(table: ReportTable, suffix: str) -> bytes:
    """The content of a file of one of `TABLE_FORMATS`."""
    # Halves of surrogate pairs, which no file of text can hold, become escapes.
    return TABLE_FORMATS[suffix](table).encode("utf-8", "backslashreplace")


def _table_files(stem: str, table: ReportTable) -> Files:
    return {f"{stem}{suffix}": table_bytes(table, suffix) for suffix in TABLE_FORMATS}
