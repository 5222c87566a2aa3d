"""The content of a page, and its HTML."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata

import altair
import jinja2
import vl_convert

from seqlab.report.answers.answer import Answer
from seqlab.report.chapters import Chapter, Entry
from seqlab.report.charts.curve_points import AXES
from seqlab.report.charts.figure import Figure
from seqlab.report.charts.payload import payload
from seqlab.report.sections import Part
from seqlab.report.table_text import exact, format_column, is_numeric, slug, to_html
from seqlab.report.tables import ReportTable
from seqlab.report.templates import environment, template_file
from seqlab.stats.formatting import counted

VEGA_LITE = ".".join(altair.SCHEMA_VERSION.lstrip("v").split(".")[:2])


@dataclass(frozen=True, kw_only=True)
class PageContent:
    """Everything on a page.

    answers: the first screen. introduction, warning: plain text, under and above the answers; an empty line
    starts a new paragraph.
    """

    title: str
    introduction: str
    warning: str
    chapters: Sequence[Chapter]
    answers: Sequence[Answer]
    parts: Sequence[Part]

    @property
    def entries(self) -> list[Entry]:
        """All runs, in the order of their numbers."""
        return [entry for chapter in self.chapters for entry in chapter.entries]

    @property
    def tables(self) -> list[ReportTable]:
        """All tables, in the order of their numbers."""
        below = [table for part in self.parts for section in part.sections for table in section.tables]
        return [*(answer.table for answer in self.answers), *below]

    @property
    def figures(self) -> list[Figure]:
        """All figures, in the order of their numbers."""
        below = [
            figure
            for part in self.parts
            for section in part.sections
            for figure in (*section.figures, *section.more_figures)
        ]
        return [*(answer.figure for answer in self.answers if answer.figure is not None), *below]


def render(content: PageContent) -> str:
    """The page as HTML.

    Texts of users and models are escaped, and the page's policy forbids the browser to load anything.
    """
    entries, figures = content.entries, content.figures
    # The policy of the page allows the script with this digest, and no other.
    script = _script()
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return _environment().from_string(template_file("page.html.j2")).render(
        title=content.title,
        paragraphs=_paragraphs(content.introduction),
        warnings=_paragraphs(content.warning),
        answers=content.answers,
        summary=summarize_chapters(content.chapters),
        problems=[(entry, entry.run.problems) for entry in entries if entry.run.problems],
        unfinished=[entry for entry in entries if not entry.run.summary],
        parts=content.parts,
        table_numbers={table.name: number for number, table in enumerate(content.tables, start=1)},
        figure_numbers={figure.name: number for number, figure in enumerate(figures, start=1)},
        figures=payload(figures),
        axes=AXES if any(len(figure.charts) > 1 for figure in figures) else {},
        style=template_file("page.css"),
        script=script,
        script_hash=base64.b64encode(digest).decode("ascii"),
        version=metadata.version("seqlab"),
    )  # fmt: skip


def _paragraphs(text: str) -> list[str]:
    return [paragraph.strip() for paragraph in text.split("\n\n") if paragraph.strip()]


def summarize_chapters(chapters: Sequence[Chapter]) -> str:
    """The number of runs and their data, in one sentence.

    >>> from seqlab.schema.metric_spec import MetricSpec
    >>> loss = MetricSpec(name="loss", unit="nats per token", better="lower")
    >>> summarize_chapters([Chapter("ptb", (), loss)])
    '0 runs on ptb.'
    """
    count = sum(len(chapter.entries) for chapter in chapters)
    titles = [chapter.title for chapter in chapters]
    listed = ", ".join(titles[:-1]) + " and " + titles[-1] if len(titles) > 1 else titles[0]
    return f"{counted(count, 'run')} on {listed}."


def _environment() -> jinja2.Environment:
    found = environment()
    found.filters |= {
        "format_column": format_column,
        "is_numeric": is_numeric,
        "exact": exact,
        "slug": slug,
        "to_html": to_html,
    }
    return found


@functools.cache
def _script() -> str:
    """Vega, Vega-Lite and vega-embed, with the script that draws the figures; bundling takes seconds."""
    return vl_convert.javascript_bundle(template_file("page.js"), vl_version=VEGA_LITE)
