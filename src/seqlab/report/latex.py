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
MOST_COLUMNS = 8
"""Columns of a table up to which it is not scaled."""
_LONG_TEXT = 15
"""Width of a column of long texts, in em, of which each takes about two characters."""
_NONE = "--"
"""An en dash: a cell without a value."""


def to_latex(table: ReportTable) -> str:
    r"""A `table` environment: caption above, rules of booktabs, numbers on the right, best rows bold.

    The document needs `\usepackage{booktabs}`, and `\usepackage{graphicx}` for a table of many columns, which
    is scaled to the width of the text. Columns that are too wide for a paper follow in a table of their own
    under the same caption.
    """
    printed = [index for index, column in enumerate(table.columns) if column.printed]
    wide = len(printed) > MOST_COLUMNS
    packages = r"\usepackage{booktabs} and \usepackage{graphicx}" if wide else r"\usepackage{booktabs}"
    lines = [
        f"% The document needs {packages}.",
        "\\begin{table}",
        "  \\centering",
        f"  \\caption{{{latex_caption(table.caption)}}}",
        f"  \\label{{tab:{slug(table.name)}}}",
        *(["  \\resizebox{\\linewidth}{!}{%"] if wide else []),
        *_tabular(table, printed),
        *(["  }"] if wide else []),
        *_code_columns(table),
        "\\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _tabular(table: ReportTable, printed: Sequence[int]) -> list[str]:
    columns = [[row[index] for row in table.rows] for index in printed]
    titles = headings(table)
    rows = [list(row) for row in zip(*map(_column, columns), strict=True)]
    return [
        f"  \\begin{{tabular}}{{{''.join(map(_alignment, columns))}}}",
        "    \\toprule",
        _row([latex_text(titles[index]) for index in printed]),
        "    \\midrule",
        *(_row(_bold(row) if index in table.best else row) for index, row in enumerate(rows)),
        "    \\bottomrule",
        "  \\end{tabular}",
    ]


def _code_columns(table: ReportTable) -> list[str]:
    """The columns that are too wide, such as commands: a row for each, after the first cell of its row."""
    wide = [index for index, column in enumerate(table.columns) if not column.printed]
    if not wide:
        return []
    first, titles = _column([row[0] for row in table.rows]), headings(table)
    alignment = "l" + r"p{0.85\linewidth}" * len(wide)
    return [
        "  \\par\\medskip",
        f"  \\begin{{tabular}}{{{alignment}}}",
        "    \\toprule",
        _row([latex_text(titles[index]) for index in (0, *wide)]),
        "    \\midrule",
        *(
            _row([name, *(_code(row[index]) for index in wide)])
            for name, row in zip(first, table.rows, strict=True)
        ),
        "    \\bottomrule",
        "  \\end{tabular}",
    ]


def _code(value: CellValue) -> str:
    r"""A command in a fixed-width font, which may be broken after a slash, or a hyphen within a word.

    >>> print(_code("train a/b-c --d"))
    {\raggedright\ttfamily\small train a/\allowbreak{}b-\allowbreak{}c -{}-d\par}
    """
    if value is None:
        return _NONE
    pieces = re.split(r"(?<=/)|(?<=\w-)(?=\w)", str(value))
    text = r"\allowbreak{}".join(map(latex_text, pieces))
    return f"{{\\raggedright\\ttfamily\\small {text}\\par}}"


def _alignment(values: Sequence[CellValue]) -> str:
    """Numbers on the right; long texts in lines of their own, other texts on the left."""
    if is_numeric(values):
        return "r"
    return f"p{{{_LONG_TEXT}em}}" if any(len(str(value)) > 2 * _LONG_TEXT for value in values) else "l"


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


def latex_caption(caption: str) -> str:
    """A caption with the parts between backticks in a fixed-width font."""
    parts = re.split(r"`([^`]+)`", caption)
    texts = map(latex_text, parts)
    return "".join(f"\\texttt{{{text}}}" if index % 2 else text for index, text in enumerate(texts))
