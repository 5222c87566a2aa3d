"""`seqlab report`: a page on runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from seqlab.cli.arguments import Json
from seqlab.cli.console import print_json, print_line
from seqlab.schema.errors import UserError


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
    from seqlab.runs import run_folder

    if not run:
        raise UserError("`seqlab report` needs at least one run (`seqlab list runs`). Got none.")
    folders = [run_folder.find(name) for name in run]
    write(
        folders,
        output,
        title=title or ", ".join(dict.fromkeys(found.name for found in folders)),
        samples=not no_samples,
        static=static,
        allow_incomparable=allow_incomparable,
    )
    if as_json:
        print_json({"report": str(output), "static": None if static is None else str(static)})
        return
    print_line(f"Report: {output} (open it in a browser)")
    if static is not None:
        print_line(f"Charts and tables: {static}")
