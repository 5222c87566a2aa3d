"""Tables as LaTeX, with rules of the package booktabs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from seqlab.report.table_text import format_column, headings, is_numeric, slug
from seqlab.report.tables import CellValue, ReportTable
from seqlab.schema.visible import visible

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "#": r"\#",
    "$": r"\$",
    "%": r"\%",
    "&": r"\&",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    # An optional argument of the end of a row, or its star.
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
}
_SPECIAL = re.compile("|".join(map(re.escape, _ESCAPES)) + "|(?P<ligature>-(?=-)|,(?=,)|'(?='))")
_NONE = "--"
"""An en dash: a cell without a value."""


def to_latex(table: ReportTable) -> str:
    r"""A `table` environment: caption above, rules of booktabs, numbers on the right, best rows bold.

    The document needs `\usepackage{booktabs}`. Columns that are too wide for a paper are left out.
    """
    printed = [index for index, column in enumerate(table.columns) if column.printed]
    columns = [[row[index] for row in table.rows] for index in printed]
    titles = headings(table)
    texts = [_column(column) for column in columns]
    rows = [list(row) for row in zip(*texts, strict=True)]
    lines = [
        "% The document needs \\usepackage{booktabs}.",
        "\\begin{table}",
        "  \\centering",
        f"  \\caption{{{_caption(table.caption)}}}",
        f"  \\label{{tab:{slug(table.name)}}}",
        f"  \\begin{{tabular}}{{{''.join('r' if is_numeric(column) else 'l' for column in columns)}}}",
        "    \\toprule",
        _row([latex_text(titles[index]) for index in printed]),
        "    \\midrule",
        *(_row(_bold(row) if index in table.best else row) for index, row in enumerate(rows)),
        "    \\bottomrule",
        "  \\end{tabular}",
        "\\end{table}",
    ]
    return "\n".join(lines) + "\n"


def latex_text(text: str) -> str:
    r"""A text of which LaTeX interprets nothing.

    >>> print(latex_text("50 % of a_b & {c} -- [d]"))
    50 \% of a\_b \& \{c\} -{}- {[}d{]}
    """
    plain = visible(" ".join(text.splitlines()), keep="\t")
    return _SPECIAL.sub(lambda match: f"{match[0]}{{}}" if match["ligature"] else _ESCAPES[match[0]], plain)


def _column(values: Sequence[CellValue]) -> list[str]:
    return [
        _NONE if value is None else _number(text) if isinstance(value, int | float) else latex_text(text)
        for value, text in zip(values, format_column(values), strict=True)
    ]


def _number(text: str) -> str:
    """A number with a minus sign instead of a hyphen."""
    return text.replace("-", "$-$").replace(",", "{,}")


def _bold(row: Sequence[str]) -> list[str]:
    return [f"\\textbf{{{cell}}}" for cell in row]


def _row(cells: Sequence[str]) -> str:
    return f"    {' & '.join(cells)} \\\\"


def _caption(caption: str) -> str:
    """A caption with the parts between backticks in a fixed-width font."""
    parts = re.split(r"`([^`]+)`", caption)
    texts = map(latex_text, parts)
    return "".join(f"\\texttt{{{text}}}" if index % 2 else text for index, text in enumerate(texts))
