"""One figure or one table of a report as a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from seqlab.report.charts.drawings import FONT_SIZE, FORMATS, Drawing, drawings, short_slug
from seqlab.report.charts.static_files import RETRY, TABLE_FORMATS, table_bytes
from seqlab.report.page_template import VEGA_LITE, PageContent
from seqlab.report.tables import ReportTable
from seqlab.runs import atomic
from seqlab.schema.errors import UserError, unknown

Named = TypeVar("Named")


def write_figure(
    content: PageContent, name: str, output: Path, *, title: str = "", font_size: int = FONT_SIZE
) -> None:
    """Write one chart as SVG, PNG or PDF, by the suffix of the file.

    Args:
        content: of the page that has the figure.
        name: of the chart, as `--static` names its file, or the beginning of one name; "": the first chart.
        output: the file; its folder is created.
        title: above the chart; "": none.
        font_size: of labels and titles, in pixels of a chart of 640 pixels.

    Raises:
        UserError: no chart has this name, which lists those that do; or the suffix is of no format.
        WorkError: the disk is full or cannot be written.
    """
    _check_suffix("figure", output, FORMATS)
    every: dict[str, Drawing] = {}
    for figure in content.figures:
        for drawing in drawings(figure, title=title, font_size=font_size):
            every.setdefault(drawing.name, drawing)
    drawing = _chosen("figure", name, every)
    atomic.write_bytes(output, drawing.write(output.suffix, VEGA_LITE), retry=RETRY)


def write_table(content: PageContent, name: str, output: Path) -> None:
    """Write one table as CSV, Markdown or LaTeX, by the suffix of the file; see `write_figure`."""
    _check_suffix("table", output, tuple(TABLE_FORMATS))
    tables: Sequence[ReportTable] = (*content.tables, *(figure.table for figure in content.figures))
    every: dict[str, ReportTable] = {}
    for table in tables:
        every.setdefault(short_slug(table.name), table)
    table = _chosen("table", name, every)
    atomic.write_bytes(output, table_bytes(table, output.suffix), retry=RETRY)


def _check_suffix(what: str, output: Path, suffixes: Sequence[str]) -> None:
    if output.suffix not in suffixes:
        raise UserError(
            f"The file of a {what} must end in {', '.join(suffixes)}. Got {str(output)!r}. "
            f"Nearest: {str(output.with_suffix(suffixes[0]))!r}."
        )


def _chosen(what: str, name: str, every: Mapping[str, Named]) -> Named:
    """The thing of this name, or the first whose name begins with it where no name is equal."""
    if not every:
        raise UserError(f"The report has no {what}.")
    matching = [known for known in every if known.startswith(name)]
    # Charts of one figure over several axes begin alike, and the first of them is the page's.
    if name not in every and not matching:
        raise unknown(what, name, every)
    return every[name if name in every else matching[0]]
