r"""A report as two documents of text, Markdown and LaTeX, which show the files of its tables and figures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import ClassVar

from typing_extensions import override

from seqlab.report.charts.drawings import drawings
from seqlab.report.charts.figure import Figure
from seqlab.report.charts.static_files import Files, drawing_stem, table_stem
from seqlab.report.latex import latex_caption, latex_text
from seqlab.report.page_template import PageContent
from seqlab.report.sections import Note
from seqlab.report.table_text import markdown_caption, markdown_text, readable, to_markdown
from seqlab.report.tables import ReportTable

NAME = "report"
"""The name of both files, before their suffixes."""
_LATEX_HEAD = (
    r"\documentclass{article}",
    r"\usepackage[utf8]{inputenc}",
    r"\usepackage[T1]{fontenc}",
    r"\usepackage[margin=2.5cm]{geometry}",
    r"\usepackage{booktabs}",
    r"\usepackage{graphicx}",
)


def static_documents(content: PageContent) -> Files:
    """The report as Markdown and as LaTeX: the same tables, figures and sentences, with the same numbers."""
    return {
        f"{NAME}.md": _text([*_parts(content, _Markdown()), ""]),
        f"{NAME}.tex": _text([*_LATEX_HEAD, *_parts(content, _Latex()), r"\end{document}", ""]),
    }


class _Format(ABC):
    """How a document writes its parts, each as lines."""

    @abstractmethod
    def title(self, text: str) -> list[str]:
        """The beginning of the document."""

    @abstractmethod
    def heading(self, text: str, level: int) -> list[str]:
        """A heading of a level from 1."""

    @abstractmethod
    def sentences(self, sentences: Sequence[str]) -> list[str]:
        """A paragraph, or a list of several sentences."""

    @abstractmethod
    def table(self, number: int, table: ReportTable) -> list[str]:
        """A table, its caption above."""

    @abstractmethod
    def figure(self, number: int, figure: Figure) -> list[str]:
        """All drawings of a figure, its caption below."""


class _Markdown(_Format):
    @override
    def title(self, text: str) -> list[str]:
        return [f"# {markdown_text(text)}"]

    @override
    def heading(self, text: str, level: int) -> list[str]:
        return ["", f"{'#' * (level + 1)} {markdown_text(text)}"]

    @override
    def sentences(self, sentences: Sequence[str]) -> list[str]:
        mark = "- " if len(sentences) > 1 else ""
        return ["", *(f"{mark}{markdown_text(' '.join(each.split()))}" for each in sentences)]

    @override
    def table(self, number: int, table: ReportTable) -> list[str]:
        return ["", f"**Table {number}.** {to_markdown(table).rstrip()}"]

    @override
    def figure(self, number: int, figure: Figure) -> list[str]:
        pictures = (f"![Figure {number}]({stem}.svg)" for stem in _drawings(number, figure))
        return ["", *pictures, "", f"**Figure {number}.** {markdown_caption(figure.caption)}"]


class _Latex(_Format):
    SECTIONS: ClassVar = ("section", "subsection", "subsubsection")

    @override
    def title(self, text: str) -> list[str]:
        head = f"\\title{{{latex_text(text)}}}\\author{{}}\\date{{}}"
        return [head, r"\begin{document}", r"\maketitle"]

    @override
    def heading(self, text: str, level: int) -> list[str]:
        # LaTeX holds a limited number of tables and figures back.
        clear = [r"\clearpage"] if level < len(self.SECTIONS) else []
        return [*clear, f"\\{self.SECTIONS[level - 1]}{{{latex_text(text)}}}"]

    @override
    def sentences(self, sentences: Sequence[str]) -> list[str]:
        texts = [latex_text(each) for each in sentences]
        if len(texts) == 1:
            return texts
        return [r"\begin{itemize}", *(f"  \\item {text}" for text in texts), r"\end{itemize}"]

    @override
    def table(self, number: int, table: ReportTable) -> list[str]:
        return [f"\\input{{{table_stem(number, table)}}}"]

    @override
    def figure(self, number: int, figure: Figure) -> list[str]:
        stems = list(_drawings(number, figure))
        width = {1: "0.8", 2: "0.49"}.get(len(stems), "0.32")
        return [
            r"\begin{figure}",
            r"  \centering",
            *(f"  \\includegraphics[width={width}\\linewidth]{{{stem}.png}}" for stem in stems),
            f"  \\caption{{{latex_caption(figure.caption)}}}",
            f"  \\label{{fig:{number}}}",
            r"\end{figure}",
        ]


def _parts(content: PageContent, form: _Format) -> Iterator[str]:
    tables = {table.name: number for number, table in enumerate(content.tables, start=1)}
    figures = {figure.name: number for number, figure in enumerate(content.figures, start=1)}
    yield from form.title(content.title)
    for answer in content.answers:
        yield from form.heading(answer.question, 1)
        yield from form.sentences([answer.sentence])
        yield from form.table(tables[answer.table.name], answer.table)
        if answer.figure is not None:
            yield from form.figure(figures[answer.figure.name], answer.figure)
    for part in content.parts:
        yield from form.heading(part.title, 1)
        for section in part.sections:
            if not (section.notes or section.tables or section.figures):
                continue
            yield from form.heading(section.title, 2)
            yield from _notes(section.notes, form)
            for table in section.tables:
                yield from form.table(tables[table.name], table)
            for figure in (*section.figures, *section.more_figures):
                yield from form.figure(figures[figure.name], figure)


def _notes(notes: Sequence[Note], form: _Format) -> Iterator[str]:
    for note in notes:
        yield from form.heading(note.title, 3)
        yield from form.sentences(note.sentences)


def _drawings(number: int, figure: Figure) -> Iterator[str]:
    return (drawing_stem(number, drawing) for drawing in drawings(figure))


def _text(lines: Sequence[str]) -> bytes:
    return readable("\n".join(lines)).encode("utf-8", "backslashreplace")
