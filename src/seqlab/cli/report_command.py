"""`seqlab report`: a page on runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from seqlab.cli.arguments import Json, check_output
from seqlab.cli.console import print_json, print_line, print_note
from seqlab.schema.errors import DamagedFileError, UserError

if TYPE_CHECKING:
    from seqlab.runs.run_folder import RunFolder


def report(
    *run: str,
    output: Annotated[Path, Parameter(name=["--output", "-o"])] = Path("report.html"),
    title: str | None = None,
    no_samples: bool = False,
    static: Path | None = None,
    allow_incomparable: bool = False,
    as_json: Json = False,
) -> None:
    """Write one HTML page on runs: results, curves, samples, cost.

    It also shows the settings of each run and the command that repeats it.

    Parameters
    ----------
    run
        Folders or names of runs, finished or not, or unambiguous starts of their folders' names.
    output
        Path of the page, which needs no other file and no network.
    title
        Heading of the page. Default: the names of the runs.
    no_samples
        Leave out generated and labelled texts, so that no text of the data is shown.
    static
        Folder for each chart as SVG and PNG and each table as CSV and Markdown.
    allow_incomparable
        Show runs that cannot be ranked with each other separately instead of refusing.
    as_json
        Print the paths as JSON.
    """
    from seqlab.report import write

    if not run:
        raise UserError("`seqlab report` needs at least one run (`seqlab list runs`). Got none.")
    check_output(output, static)
    folders, left_out = _found(run)
    write(
        folders,
        output,
        title=title or ", ".join(dict.fromkeys(found.name for found in folders)),
        introduction="\n\n".join(left_out),
        samples=not no_samples,
        static=static,
        allow_incomparable=allow_incomparable,
    )
    for sentence in left_out:
        print_note(sentence)
    if as_json:
        print_json({"report": str(output), "static": None if static is None else str(static)})
        return
    print_line(f"Report: {output} (open it in a browser)")
    if static is not None:
        print_line(f"Charts and tables: {static}")


def _found(names: tuple[str, ...]) -> tuple[list[RunFolder], list[str]]:
    """The runs that can be opened, and a sentence on each of the others.

    Raises:
        UserError: a name is unknown, or no run can be opened.
    """
    from seqlab.runs import run_folder

    folders: list[RunFolder] = []
    left_out: list[str] = []
    for name in names:
        try:
            folders.append(run_folder.find(name))
        except DamagedFileError as error:
            if len(names) == 1:
                raise
            left_out.append(f"A run is left out: {error}")
    if not folders:
        raise UserError(" ".join(left_out))
    return folders, left_out
