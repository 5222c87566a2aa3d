"""The text of table cells: rounded for people, exact for machines."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Sequence

from seqlab.report.tables import CellValue, ReportTable
from seqlab.schema.spreadsheet import no_formula
from seqlab.schema.visible import visible
from seqlab.stats.formatting import format_value

_MARKUP = re.compile(
    r"[\\`*\[\]|~$]"  # escapes, code, emphasis, links and pictures, columns, deleted text, formulas
    r"|(?<![^\W_])_|_(?![^\W_])"  # emphasis: underscores, but not those inside a word
    r"|:(?=//)|(?<=www)\.|@"  # addresses
)
_ENTITIES = {"&": "&amp;", "<": "&lt;"}
_LAYOUT = "\n\t"
"""Control characters that lay text out, and no others."""
DIGITS = ((1000.0, 0), (100.0, 1), (10.0, 2))
"""Pairs of a size and the decimals of a column whose smallest number has at least that size; otherwise 4."""


def readable(text: str) -> str:
    r"""A text of a user's or a model's for a page or a file, with visible escapes for other controls.

    >>> print(readable("a\x1b[1m\nb\u202e"))
    a\x1b[1m
    b\u202e
    """
    return visible(text, keep=_LAYOUT)


def is_numeric(values: Sequence[CellValue]) -> bool:
    """Whether a column holds numbers only, which are aligned on the right."""
    known = [value for value in values if value is not None]
    return bool(known) and not any(isinstance(value, str) for value in known)


def format_column(values: Sequence[CellValue]) -> list[str]:
    """A column's cells for people: equal decimals, thousands separators, an empty text for None.

    A number of which those decimals would show fewer than four digits has these.

    >>> format_column([0.5, 0.25, None, 3])
    ['0.50', '0.25', '', '3']
    >>> format_column([1234.5, 20000.0]), format_column([3e-9, 0.012345, 1.0])
    (['1,234', '20,000'], ['3e-09', '0.01235', '1.0000'])
    """
    decimals = _decimals([abs(value) for value in values if isinstance(value, float) and value])
    return [_format_cell(value, decimals) for value in values]


def _decimals(sizes: Sequence[float]) -> int:
    most = next((digits for limit, digits in DIGITS if sizes and min(sizes) >= limit), 4)
    needed = [f"{size:.{most}f}".partition(".")[2].rstrip("0") for size in sizes]
    return max((len(digits) for digits in needed), default=0)


def _format_cell(value: CellValue, decimals: int) -> str:
    match value:
        case None:
            return ""
        case float():
            return format_value(value, decimals, separator=",")
        case int():
            return f"{value:,}"
        case _:
            return value


def exact(value: CellValue) -> str:
    """A cell for machines: every digit."""
    return "" if value is None else str(value)


def headings(table: ReportTable) -> list[str]:
    """Column titles with their units."""
    return [f"{column.title} ({column.unit})" if column.unit else column.title for column in table.columns]


def to_csv(table: ReportTable) -> str:
    """One line per row, numbers with every digit, after a line of column titles with units."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([_csv_cell(title) for title in headings(table)])
    writer.writerows([_csv_cell(cell) for cell in row] for row in table.rows)
    return stream.getvalue()


def _csv_cell(value: CellValue) -> str:
    return no_formula(readable(value)) if isinstance(value, str) else exact(value)


def to_markdown(table: ReportTable) -> str:
    """The caption, then a Markdown table; what users wrote in them is text."""
    columns = list(zip(*table.rows, strict=True))
    rows = zip(*(format_column(column) for column in columns), strict=True)
    rule = ["---:" if is_numeric(column) else "---" for column in columns]
    lines = [headings(table), rule, *rows]
    body = "\n".join("| " + " | ".join(_one_line(cell) for cell in line) + " |" for line in lines)
    return f"{markdown_caption(table.caption)}\n\n{body}\n"


def slug(text: str) -> str:
    """A title as a file name or an anchor.

    >>> slug("Results on imdb, max_length=400")
    'results-on-imdb-max-length-400'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "untitled"


def to_html(caption: str) -> str:
    """A caption as HTML, with the parts between backticks as code.

    >>> to_html("Set `A` < 1.")
    'Set <code>A</code> &lt; 1.'
    """
    # Escaped first, because a caption may contain texts of users.
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(readable(caption)))


def markdown_caption(caption: str) -> str:
    """A caption as Markdown: the parts between backticks are code, everything else is text."""
    parts = re.split(r"(`[^`]+`)", " ".join(readable(caption).split("\n")))
    return "".join(part if index % 2 else markdown_text(part) for index, part in enumerate(parts))


def _one_line(text: str) -> str:
    return markdown_text(readable(text)).replace("\n", "<br>")


def markdown_text(text: str) -> str:
    r"""A text of which Markdown interprets nothing: no picture, link, HTML, code or formula.

    >>> print(markdown_text("![a](http://b) <img> my_key _c_ &lt;"))
    !\[a\](http\://b) &lt;img> my_key \_c\_ &amp;lt;
    """
    # Entities come last, as a backslash before one would be text.
    escaped = _MARKUP.sub(lambda match: f"\\{match[0]}", text)
    return re.sub("[&<]", lambda match: _ENTITIES[match[0]], escaped)
