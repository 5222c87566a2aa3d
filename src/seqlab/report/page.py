"""The report: tables, figures and texts in one HTML file that needs no other file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from seqlab.comparison.study_cells import open_study
from seqlab.report.answers.page_answers import page_answers
from seqlab.report.chapter_sections import chapter_part, shared_part
from seqlab.report.chapters import Chapter, chapters
from seqlab.report.charts.drawings import FONT_SIZE
from seqlab.report.charts.static_files import RETRY, write_static_files
from seqlab.report.page_template import VEGA_LITE, PageContent, render
from seqlab.report.run_data import read_run
from seqlab.report.sections import Part
from seqlab.report.static_documents import static_documents
from seqlab.report.study.chapter_study import (
    ChapterStudy,
    chapter_studies,
    study_run_labels,
    study_runs,
    with_short_names,
)
from seqlab.report.study.study_parts import study_parts
from seqlab.runs.output_file import check_paths, write_output
from seqlab.runs.run_folder import RunFolder
from seqlab.runs.study_folder import StudyFolder
from seqlab.schema.errors import UserError


def write(
    runs: Sequence[RunFolder],
    output: Path,
    *,
    title: str,
    introduction: str = "",
    warning: str = "",
    samples: bool = True,
    static: Path | None = None,
    studies: Sequence[StudyFolder] = (),
    allow_incomparable: bool = False,
    font_size: int = FONT_SIZE,
) -> Path:
    """Write a report on runs, finished or not; equal folders give an equal page, byte for byte.

    Args:
        runs: the runs to report on; a run given twice counts once.
        output: the HTML file; its folder is created.
        title: heading of the page.
        introduction: plain text under the answers; an empty line starts a new paragraph.
        warning: plain text above the answers.
        samples: whether texts that were generated or labelled are shown.
        static: folder for every figure as SVG and PNG, every table as CSV, Markdown and LaTeX, and the report
            with all of them as one Markdown and one LaTeX document.
        studies: studies to report on; their runs are added to `runs`, and the page begins with the question
            and the answer of each.
        allow_incomparable: whether runs that cannot be ranked with each other are shown separately instead
            of being refused.
        font_size: of the labels of charts in `static`, in pixels.

    Returns:
        The path of the page.

    Raises:
        UserError: there are no runs, a path is not of the required kind, or the numbers of the runs cannot
            be ranked; the message names what differs.
        WorkError: the disk is full or cannot be written.
    """
    check_paths(output, static)
    content = page_content(
        runs,
        studies,
        title=title,
        introduction=introduction,
        warning=warning,
        samples=samples,
        allow_incomparable=allow_incomparable,
    )
    write_output(output, render(content), retry=RETRY)
    if static is not None:
        write_static_files(
            static,
            content.tables,
            content.figures,
            VEGA_LITE,
            font_size=font_size,
            documents=static_documents(content),
        )
    return output


def page_content(
    runs: Sequence[RunFolder],
    studies: Sequence[StudyFolder],
    *,
    title: str = "",
    introduction: str = "",
    warning: str = "",
    samples: bool = True,
    allow_incomparable: bool = False,
) -> PageContent:
    """What a page on these runs shows; see `write`."""
    opened = [with_short_names(open_study(study)) for study in studies]
    folders = [*runs, *(run for study in opened for run in study_runs(study))]
    if not folders:
        raise UserError("A report must have at least one run. Got none.")
    run_labels = {name: label for study in opened for name, label in study_run_labels(study).items()}
    made = chapters(
        [read_run(run) for run in _without_duplicates(folders)],
        run_labels=run_labels,
        allow_incomparable=allow_incomparable,
    )
    by_study = [chapter_studies(study, made) for study in opened]
    return PageContent(
        title=title,
        introduction=introduction,
        warning=warning,
        chapters=made,
        answers=page_answers(made, by_study),
        parts=_parts(made, by_study, samples=samples),
    )


def _parts(
    made: Sequence[Chapter], studies: Sequence[Sequence[ChapterStudy]], *, samples: bool
) -> list[Part]:
    return [
        *(part for study in studies for part in study_parts(study)),
        *(chapter_part(chapter, samples=samples) for chapter in made),
        shared_part([entry for chapter in made for entry in chapter.entries]),
    ]


def _without_duplicates(runs: Sequence[RunFolder]) -> list[RunFolder]:
    # A run of a study may also be given by name.
    return list({run.path.resolve(): run for run in runs}.values())
