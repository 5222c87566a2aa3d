"""`seqlab report`: runs as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from seqlab.cli.console import out, print_json
from seqlab.cli.training import Json
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

    It shows the settings, too, and the command that repeats each run.

    Parameters
    ----------
    run
        Folders of runs, finished or not, or the beginnings of their names.
    output
        The page; it needs no other file and no network.
    title
        Heading of the page. Default: the names of the runs.
    no_samples
        Leave out what was written or labelled, so that no text of the data is shown.
    static
        Folder for every chart as SVG and PNG, and every table as CSV and Markdown.
    allow_incomparable
        Show runs whose numbers cannot be ranked with each other apart, in place of refusing.
    as_json
        Print where the report is as JSON.
    """
    from seqlab.report import write
    from seqlab.runs import run_folder

    if not run:
        raise UserError("`seqlab report` needs at least one run (`seqlab list runs`). Got none.")
    found = [run_folder.find(name) for name in run]
    names = dict.fromkeys(one.name for one in found)
    title = title or ", ".join(names)
    write(
        found,
        output,
        title=title,
        samples=not no_samples,
        static=static,
        allow_incomparable=allow_incomparable,
    )
    if as_json:
        print_json({"report": str(output), "static": None if static is None else str(static)})
        return
    out.print(f"Report: {output} (open it in a browser)", markup=False)
    if static is not None:
        out.print(f"Charts and tables: {static}", markup=False)
