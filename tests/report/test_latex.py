"""Tables as LaTeX: read back by a small interpreter of what the escapes mean."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab.report.latex import latex_text, to_latex
from seqlab.report.tables import ReportColumn, ReportTable

NAMED = {
    "textbackslash": "\\",
    "textasciicircum": "^",
    "textasciitilde": "~",
    "textless": "<",
    "textgreater": ">",
    "textbar": "|",
    "textasciigrave": "`",
}
"""Commands of LaTeX's kernel for characters (The LaTeX Companion, table of text symbols)."""
SPECIAL = set("\\{}#$%&_^~")
"""The ten characters that LaTeX reserves."""
LIGATURES = ("--", ",,", "''", "``", "<<", ">>", "!`", "?`")
"""What fonts of the encodings OT1 and T1 join."""
TOKEN = re.compile(r"\\([a-zA-Z]+)\{\}|\\([{}#$%&_])|(\{\})|\{([^{}\\])\}|(.)", re.DOTALL)


def read(latex: str) -> str:
    """The characters that LaTeX would print; an error where it would interpret something."""
    printed = ""
    for named, escaped, nothing, grouped, plain in TOKEN.findall(latex):
        assert plain not in SPECIAL, f"{plain!r} is interpreted in {latex!r}"
        printed += NAMED[named] if named else "" if nothing else escaped or grouped or plain
    return printed


PRINTABLE = "".join(sorted(set(string.printable) - set(string.whitespace))) + " "


@given(st.text(alphabet=PRINTABLE + "äß…é", max_size=20))
def test_every_text_is_printed_as_it_is(text: str) -> None:
    assert read(latex_text(text)) == text
    # Braces between two characters keep a font from joining them.
    assert not [pair for pair in LIGATURES if pair in latex_text(text)]


@pytest.mark.parametrize("text", ["[4pt] x", "* x", "a\nb", "a\x1b[1m"])
def test_a_cell_is_no_argument_of_the_row_before_it(text: str) -> None:
    cell = latex_text(text)
    assert not re.match(r"\s*[\[*]", cell)
    assert cell.isprintable()


def test_a_table_has_a_caption_rules_and_the_best_row_bold() -> None:
    table = ReportTable(
        name="results on t",
        caption="Loss of `a_b`, 50 %.",
        columns=(
            ReportColumn("model"),
            ReportColumn("command", code=True, printed=False),
            ReportColumn("loss", "nats"),
            ReportColumn("steps"),
        ),
        rows=(("l_1", "seqlab train a", 0.25, 1200), ("g&u", "seqlab train b", -1.5, None)),
        best=frozenset({0}),
        page_note="The command repeats the run.",
    )
    assert to_latex(table).splitlines() == [
        r"% The document needs \usepackage{booktabs}.",
        r"\begin{table}",
        r"  \centering",
        r"  \caption{Loss of \texttt{a\_b}, 50 \%.}",
        r"  \label{tab:results-on-t}",
        r"  \begin{tabular}{lrr}",
        r"    \toprule",
        r"    model & loss (nats) & steps \\",
        r"    \midrule",
        r"    \textbf{l\_1} & \textbf{0.25} & \textbf{1{,}200} \\",
        r"    g\&u & $-$1.50 & -- \\",
        r"    \bottomrule",
        r"  \end{tabular}",
        r"  \par\medskip",
        r"  \begin{tabular}{lp{0.85\linewidth}}",
        r"    \toprule",
        r"    model & command \\",
        r"    \midrule",
        r"    l\_1 & {\raggedright\ttfamily\small seqlab train a\par} \\",
        r"    g\&u & {\raggedright\ttfamily\small seqlab train b\par} \\",
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]


def test_a_table_of_many_columns_is_scaled_and_long_texts_are_wrapped() -> None:
    texts = ("a", *("b" * 9,) * 8, "a text of more than thirty characters")
    table = ReportTable(
        name="wide", caption="Wide.", columns=tuple(map(ReportColumn, "abcdefghij")), rows=(texts,)
    )
    lines = to_latex(table).splitlines()
    assert lines[0] == r"% The document needs \usepackage{booktabs} and \usepackage{graphicx}."
    begin = lines.index(r"  \resizebox{\linewidth}{!}{%")
    assert lines[begin + 1] == r"  \begin{tabular}{lllllllllp{15em}}"
    assert lines[lines.index(r"  \end{tabular}") + 1] == "  }"
