"""`seqlab report`: a page on runs and studies, or one figure or table of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from seqlab.cli.arguments import Json, Whole, check_output
from seqlab.cli.console import print_json, print_line, print_note
from seqlab.schema.errors import DamagedFileError, UserError, unknown

if TYPE_CHECKING:
    from seqlab.runs.run_folder import RunFolder
    from seqlab.runs.study_folder import StudyFolder

FIGURES, TABLES = (".svg", ".png", ".pdf"), (".csv", ".md", ".tex")
"""Suffixes of `--output` that ask for a figure or a table instead of a page."""


def report(
    *name: str,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    title: str | None = None,
    no_samples: bool = False,
    static: Path | None = None,
    figure: str | None = None,
    table: str | None = None,
    font_size: Whole = 12,
    allow_incomparable: bool = False,
    as_json: Json = False,
) -> None:
    """Write one HTML page on runs and studies, the answer first.

    Results, curves, samples and cost follow, with the settings of each run and the command that repeats it.
    A figure or a table of the page can be written alone.

    Parameters
    ----------
    name
        Folders or names of runs, finished or not, or unambiguous starts of their folders' names; and of
        studies.
    output
        Path of the page, which needs no other file and no network. Default: report.html. A path that ends
        in .svg, .png or .pdf is that of a figure, one that ends in .csv, .md or .tex that of a table.
    title
        Heading of the page, or title of the figure. Default of a page: the names of the runs and studies.
    no_samples
        Leave out generated and labelled texts, so that no text of the data is shown.
    static
        Folder for each chart as SVG and PNG, each table as CSV, Markdown and LaTeX, and the whole report as
        one Markdown and one LaTeX document.
    figure
        Write only this chart, named like its file in `--static` without the number. Default of the output:
        the name with .svg; without a name the first chart.
    table
        Write only this table. Default of the output: the name with .csv; without a name the first table.
    font_size
        Size of the letters in charts that are written to files, in pixels of a chart of 640 pixels; 18 to 24
        for slides.
    allow_incomparable
        Show runs that cannot be ranked with each other separately instead of refusing.
    as_json
        Print the paths as JSON.
    """
    _check_arguments(name, font_size)
    what, path = _target(output, figure, table)
    if what != "report" and static is not None:
        raise UserError("A single figure or table is written without '--static'. Got both.")
    check_output(path, static)
    found = _found(name)
    allow = allow_incomparable or found.separate
    if what == "report":
        from seqlab.report import write

        write(
            found.runs,
            path,
            title=title or ", ".join(dict.fromkeys(each.name for each in (*found.studies, *found.runs))),
            warning="\n\n".join(found.left_out),
            samples=not no_samples,
            static=static,
            studies=found.studies,
            allow_incomparable=allow,
            font_size=font_size,
        )
    else:
        _write_part(
            found,
            what,
            figure or table or "",
            path,
            title=title or "",
            font_size=font_size,
            allow=allow,
        )
    _print_result(found, what, path, static, as_json=as_json)


def _check_arguments(names: tuple[str, ...], font_size: int) -> None:
    if not names:
        raise UserError("`seqlab report` needs at least one run (`seqlab list runs`) or study. Got none.")
    if not 4 <= font_size <= 72:
        nearest = min(max(font_size, 4), 72)
        raise UserError(f"'--font-size' must be from 4 to 72. Got {font_size}. Nearest: {nearest}.")


def _print_result(found: _Found, what: str, path: Path, static: Path | None, *, as_json: bool) -> None:
    for sentence in found.left_out:
        print_note(sentence)
    if as_json:
        files = {"static": None if static is None else str(static)} if what == "report" else {}
        print_json({what: str(path), **files})
        return
    print_line(f"{what.capitalize()}: {path}{' (open it in a browser)' if what == 'report' else ''}")
    if static is not None:
        print_line(f"Charts and tables: {static}")


def _write_part(
    found: _Found, what: str, name: str, path: Path, *, title: str, font_size: int, allow: bool
) -> None:
    """Write one figure or table of the page."""
    from seqlab.report import page_content, write_figure, write_table

    content = page_content(found.runs, found.studies, allow_incomparable=allow)
    if what == "figure":
        write_figure(content, name, path, title=title, font_size=font_size)
    else:
        write_table(content, name, path)


def _target(output: Path | None, figure: str | None, table: str | None) -> tuple[str, Path]:
    """Whether the report, a figure or a table is written, and where."""
    if figure is not None and table is not None:
        raise UserError("One file holds a figure or a table. Got both '--figure' and '--table'.")
    if figure is not None:
        return "figure", output or Path(f"{figure or 'figure'}.svg")
    if table is not None:
        return "table", output or Path(f"{table or 'table'}.csv")
    path = output or Path("report.html")
    return ("figure" if path.suffix in FIGURES else "table" if path.suffix in TABLES else "report"), path


@dataclass
class _Found:
    """What the names of a command mean.

    left_out: a sentence on each run that cannot be opened.
    separate: whether studies have several datasets, which are not ranked with each other in any case.
    """

    runs: list[RunFolder] = field(default_factory=list)
    studies: list[StudyFolder] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    separate: bool = False


def _found(names: tuple[str, ...]) -> _Found:
    """The runs and studies that can be opened.

    Raises:
        UserError: a name is unknown or means several things, or no run can be opened.
    """
    from seqlab.runs import run_folder

    found = _Found()
    for name in names:
        study = _study(name)
        if study is not None:
            found.studies.append(study)
            continue
        try:
            found.runs.append(run_folder.find(name))
        except DamagedFileError as error:
            if len(names) == 1:
                raise
            found.left_out.append(f"A run is left out: {error}")
    if not (found.runs or found.studies):
        raise UserError(" ".join(found.left_out))
    found.separate = _separate(found)
    return found


def _study(name: str) -> StudyFolder | None:
    """The study of this name or folder; None where the name is that of a run.

    Raises:
        UserError: both a run and a study have the name, or nothing has.
    """
    from seqlab.runs import run_folder, study_folder

    is_study = name in study_folder.names() or study_folder.exists(Path(name))
    runs = run_folder.named(name)
    if is_study and runs and not study_folder.exists(Path(name)):
        study = study_folder.studies_root() / name
        raise UserError(
            f"{name!r} is the name of a study and of a run. Give a folder: {str(study)!r} or "
            f"{str(run_folder.root() / runs[0])!r}."
        )
    if is_study:
        return study_folder.find(name)
    if not run_folder.exists(Path(name)) and not any(run.startswith(name) for run in run_folder.names()):
        raise unknown("run or study", name, [*run_folder.names(), *study_folder.names()])
    return None


def _separate(found: _Found) -> bool:
    """Whether only studies are shown, each of whose datasets has runs that can be ranked."""
    from seqlab.comparison.study import read

    if not found.studies or found.runs:
        return False
    parts = [read(study) for study in found.studies]
    several = len(parts) > 1 or any(len(of_study) > 1 for of_study in parts)
    return several and all(part.refusal() is None for of_study in parts for part in of_study)
