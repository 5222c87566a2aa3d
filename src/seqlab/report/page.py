"""The report: chapters of tables, figures and texts in one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path

import altair
import jinja2
import vl_convert

from seqlab.report import about, cells, charts, diagnostics, tables
from seqlab.report.comparing import Chapter, Entry, chapters
from seqlab.report.look import Figure
from seqlab.report.reading import read
from seqlab.report.samples import Written, written
from seqlab.report.saving import save
from seqlab.report.static import export
from seqlab.report.tables import Table
from seqlab.runs.folder import RunFolder
from seqlab.schema.errors import UserError

VEGA_LITE = ".".join(altair.SCHEMA_VERSION.lstrip("v").split(".")[:2])


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading with what stands under it."""

    title: str
    tables: Sequence[Table] = ()
    figures: Sequence[Figure] = ()
    samples: Sequence[Written] = ()
    configs: Sequence[Entry] = ()


@dataclass(frozen=True)
class Part:
    """A chapter's sections, or those that all chapters share."""

    title: str
    sections: Sequence[Section]


def write(
    runs: Sequence[RunFolder],
    output: Path,
    *,
    title: str,
    introduction: str = "",
    samples: bool = True,
    static: Path | None = None,
) -> Path:
    """Write a report on runs, finished or not; equal folders give an equal page, byte for byte.

    Args:
        runs: what to report on; a run given twice counts once.
        output: the HTML file; its folder is made.
        title: heading of the page.
        introduction: plain text under it; an empty line begins a new paragraph.
        samples: whether texts that were written or labelled are shown.
        static: folder for every figure as SVG and PNG and every table as CSV and Markdown.

    Returns:
        The path of the page.

    Raises:
        UserError: there are no runs, or a path is not of the kind it must be.
        WorkError: the disk is full or cannot be written.
    """
    if not runs:
        raise UserError("A report must have at least one run. Got none.")
    if output.is_dir():
        raise UserError(f"The report must be a file. Got the folder {str(output)!r}.")
    if static is not None and static.exists() and not static.is_dir():
        raise UserError(f"The static files' place must be a folder. Got the file {str(static)!r}.")
    found = chapters([read(run) for run in {run.path.resolve(): run for run in runs}.values()])
    parts = _parts(found, samples=samples)
    save(output, _render(found, parts, title, introduction))
    if static is not None:
        export(static, _tables(parts), _figures(parts), VEGA_LITE)
    return output


def _parts(found: Sequence[Chapter], *, samples: bool) -> list[Part]:
    entries = [entry for chapter in found for entry in chapter.entries]
    known = [entry for entry in entries if entry.run.settings]
    shared = [
        Section(title="Repeat", tables=[about.repeat(entries)], configs=known),
        Section(title="Cost", tables=[about.cost(entries)]),
        Section(title="Environment", tables=_present(about.environment(entries))),
    ]
    return [
        *(Part(chapter.title, _chapter(chapter, samples=samples)) for chapter in found),
        Part("All runs", shared),
    ]


def _chapter(chapter: Chapter, *, samples: bool) -> list[Section]:
    sections = [
        Section(
            title="Results",
            tables=_present(
                tables.results(chapter),
                tables.truth(chapter),
                tables.seeds(chapter),
                tables.other_splits(chapter),
            ),
        ),
        Section(title="Learning curves", figures=charts.learning(chapter)),
        Section(title="Gradient and learning rate", figures=charts.optimisation(chapter)),
        Section(title="Diagnostics", figures=[*diagnostics.matrices(chapter), *diagnostics.curves(chapter)]),
        Section(title="Samples", samples=written(chapter) if samples else ()),
        Section(title="Data", tables=_present(about.data(chapter))),
        Section(title="Settings", tables=about.settings(chapter)),
    ]
    return [section for section in sections if section.tables or section.figures or section.samples]


def _present(*found: Table | None) -> list[Table]:
    return [table for table in found if table is not None]


def _tables(parts: Sequence[Part]) -> list[Table]:
    return [table for part in parts for section in part.sections for table in section.tables]


def _figures(parts: Sequence[Part]) -> list[Figure]:
    return [figure for part in parts for section in part.sections for figure in section.figures]


def _render(found: Sequence[Chapter], parts: Sequence[Part], title: str, introduction: str) -> str:
    """The page; whatever people or models wrote is escaped, and the browser is told to load nothing."""
    entries = [entry for chapter in found for entry in chapter.entries]
    figures = _figures(parts)
    script = _script() if figures else ""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "formatted": cells.formatted,
        "numeric": cells.numeric,
        "exact": cells.exact,
        "slug": cells.slug,
    }
    return environment.from_string(_file("page.html.j2")).render(
        title=title,
        paragraphs=[text.strip() for text in introduction.split("\n\n") if text.strip()],
        summary=_summary(found),
        problems=[(entry, entry.run.problems) for entry in entries if entry.run.problems],
        unfinished=[entry for entry in entries if not entry.run.summary],
        parts=parts,
        table_numbers={table.name: number for number, table in enumerate(_tables(parts), start=1)},
        figure_numbers={figure.name: number for number, figure in enumerate(figures, start=1)},
        figures=[{"charts": figure.charts, "rows": figure.rows} for figure in figures],
        axes=charts.AXES if any(len(figure.charts) > 1 for figure in figures) else {},
        style=_file("page.css"),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii"),
        version=metadata.version("seqlab"),
    )


def _summary(found: Sequence[Chapter]) -> str:
    """What the page is about, in one sentence.

    >>> _summary([Chapter("ptb", ())])
    '0 runs on ptb.'
    """
    count = sum(len(chapter.entries) for chapter in found)
    places = [chapter.title for chapter in found]
    listed = ", ".join(places[:-1]) + " and " + places[-1] if len(places) > 1 else places[0]
    return f"{count} run{'' if count == 1 else 's'} on {listed}."


@functools.cache
def _script() -> str:
    """Vega, Vega-Lite and vega-embed once, with the few lines that draw the figures."""
    return vl_convert.javascript_bundle(_file("page.js"), vl_version=VEGA_LITE)


def _file(name: str) -> str:
    return (resources.files("seqlab.report") / name).read_text(encoding="utf-8")
