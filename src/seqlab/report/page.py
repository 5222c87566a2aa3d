"""The report: chapters of tables, figures and texts in one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Sequence
from importlib import metadata, resources
from pathlib import Path

import altair
import jinja2
import vl_convert

from seqlab.compare.study_cells import OpenStudy, open_study
from seqlab.report import about, charts, costs, curves, diagnostics, results, tables
from seqlab.report import study_view as answers
from seqlab.report import table_text as cells
from seqlab.report.comparing import Chapter, chapters
from seqlab.report.look import Figure
from seqlab.report.payload import payload
from seqlab.report.run_data import read
from seqlab.report.samples import split, written
from seqlab.report.saving import save
from seqlab.report.sections import Part, Section, of_datasets, of_study, present
from seqlab.report.static import export
from seqlab.report.tables import ReportTable
from seqlab.report.through_time import through_time
from seqlab.runs.run_folder import RunFolder
from seqlab.runs.study_folder import StudyFolder
from seqlab.schema.errors import UserError

VEGA_LITE = ".".join(altair.SCHEMA_VERSION.lstrip("v").split(".")[:2])


def write(
    runs: Sequence[RunFolder],
    output: Path,
    *,
    title: str,
    introduction: str = "",
    samples: bool = True,
    static: Path | None = None,
    studies: Sequence[StudyFolder] = (),
    allow_incomparable: bool = False,
) -> Path:
    """Write a report on runs, finished or not; equal folders give an equal page, byte for byte.

    Args:
        runs: what to report on; a run given twice counts once.
        output: the HTML file; its folder is made.
        title: heading of the page.
        introduction: plain text under it; an empty line begins a new paragraph.
        samples: whether texts that were written or labelled are shown.
        static: folder for every figure as SVG and PNG and every table as CSV and Markdown.
        studies: what runs answer: theirs come to `runs`, and the page begins with what each asked and found.
        allow_incomparable: whether runs that cannot be ranked are shown separately, not refused.

    Returns:
        The path of the page.

    Raises:
        UserError: there are no runs, a path is not of the kind it must be, or the numbers of the runs cannot
            be ranked; what differs is named.
        WorkError: the disk is full or cannot be written.
    """
    opened = [open_study(study) for study in studies]
    everything = [*runs, *(run for study in opened for run in answers.folders(study))]
    if not everything:
        raise UserError("A report must have at least one run. Got none.")
    if output.is_dir():
        raise UserError(f"The report must be a file. Got the folder {str(output)!r}.")
    if static is not None and static.exists() and not static.is_dir():
        raise UserError(f"The static files' place must be a folder. Got the file {str(static)!r}.")
    told = {name: known for study in opened for name, known in answers.told(study).items()}
    found = chapters(
        [read(run) for run in _once(everything)], told=told, allow_incomparable=allow_incomparable
    )
    parts = _parts(found, opened, samples=samples)
    save(output, _render(found, parts, title, introduction))
    if static is not None:
        export(static, _tables(parts), _figures(parts), VEGA_LITE)
    return output


def _once(runs: Sequence[RunFolder]) -> list[RunFolder]:
    return list({run.path.resolve(): run for run in runs}.values())


def _parts(found: Sequence[Chapter], studies: Sequence[OpenStudy], *, samples: bool) -> list[Part]:
    entries = [entry for chapter in found for entry in chapter.entries]
    known = [entry for entry in entries if entry.run.settings]
    asked = [answers.studies(study, found) for study in studies]
    shared = [
        Section(title="Repeat", tables=[about.folders(entries)], configs=known),
        Section(title="Cost", tables=[about.cost(entries)]),
        Section(title="Environment", tables=present(about.environment(entries))),
    ]
    return [
        *(part for here in asked for part in of_datasets(here)),
        *(of_study(one, alone=len(here) == 1) for here in asked for one in here),
        *(Part(chapter.title, _chapter(chapter, samples=samples)) for chapter in found),
        Part("All runs", shared),
    ]


def _chapter(chapter: Chapter, *, samples: bool) -> list[Section]:
    shown, more = split(chapter, written(chapter)) if samples else ([], [])
    sections = [
        Section(
            title="Results",
            tables=present(
                results.results(chapter),
                tables.seeds(chapter),
                tables.other_splits(chapter),
            ),
        ),
        Section(title="Quality against cost", figures=costs.against_price(chapter)),
        Section(title="Learning curves", figures=charts.learning(chapter)),
        Section(
            title="Against the truth",
            tables=present(tables.truth(chapter), tables.explained(chapter) if samples else None),
            figures=charts.of_samples(chapter),
        ),
        Section(title="Gradient and learning rate", figures=charts.optimisation(chapter)),
        Section(title="Diagnostics", figures=[*diagnostics.matrices(chapter), *diagnostics.curves(chapter)]),
        Section(title="Gradient through time", figures=[*through_time(chapter), *charts.horizons(chapter)]),
        Section(title="Samples", samples=shown, more_samples=more),
        Section(title="Data", tables=present(about.data(chapter))),
        Section(title="Cards", tables=present(about.cards(chapter))),
        Section(title="Settings", tables=present(about.settings(chapter))),
    ]
    return [section for section in sections if section.tables or section.figures or section.samples]


def _tables(parts: Sequence[Part]) -> list[ReportTable]:
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
        figures=payload(figures),
        axes=curves.AXES if any(len(figure.charts) > 1 for figure in figures) else {},
        style=_file("page.css"),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii"),
        version=metadata.version("seqlab"),
    )


def _summary(found: Sequence[Chapter]) -> str:
    """What the page is about, in one sentence.

    >>> from seqlab.schema.metric_spec import MetricSpec
    >>> loss = MetricSpec(name="loss", unit="nats per token", better="lower")
    >>> _summary([Chapter("ptb", (), loss)])
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
