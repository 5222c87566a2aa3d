"""`seqlab check`: silent bugs of a module, a recipe's model, a trained one, or a data pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from seqlab.cli.arguments import Json, Overwrite, Setting, Trust, Whole, check_output
from seqlab.cli.console import out, print_json, print_line
from seqlab.cli.progress_display import working
from seqlab.schema.errors import UserError, WorkError

if TYPE_CHECKING:
    from seqlab.checkup.report import Report

PAGES = (".html", ".htm")
NARROWEST, WIDEST = 60, 120
"""Columns of the table."""


def check(
    what: str | None = None,
    /,
    *overrides: Setting,
    data: Annotated[str | None, Parameter(name="--data")] = None,
    task: Literal["classify", "language-model", "translate", "regress"] | None = None,
    reads: Annotated[Literal["auto", "tokens", "features"], Parameter(name="--input")] = "auto",
    only: Annotated[list[str] | None, Parameter(name="--only", consume_multiple=False)] = None,
    skip: Annotated[list[str] | None, Parameter(name="--skip", consume_multiple=False)] = None,
    seed: Whole = 0,
    time_limit: Whole = 120,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    overwrite: Overwrite = False,
    trust: Trust = False,
    as_json: Json = False,
) -> None:
    """Find silent bugs in a model or a data pipeline.

    Each probe (`seqlab list probes`) states what must hold, and gives its evidence, where it first shows, the
    likely cause and a fix. The exit status is 1 if there is a bug. The model is not changed.

    Parameters
    ----------
    what
        A torch module of your own as FILE.py:NAME (a class, a function that makes a module, or a module), a
        recipe, or a run (the folder, or the start of its name).
    overrides
        Arguments of your own class, e.g. size=64; settings of a recipe; padding=ID and end=ID of a pipeline.
    data
        A data pipeline as FILE.py:LOADER: a function that returns splits.
    task
        What a module of your own predicts. Default: by its outputs.
    reads
        Whether a module of your own reads token ids or features. Default: by trying.
    only
        Probe to run, repeatable. Default: all.
    skip
        Probe not to run, repeatable.
    seed
        Seed of all random draws.
    time_limit
        Seconds after which a module is interrupted.
    output
        Page to write, .html, which needs no other file and no network.
    as_json
        Print the findings as JSON.
    """
    _check_options(what, data, output, overwrite=overwrite, time_limit=time_limit)
    probes = {"only": tuple(only or ()), "skip": tuple(skip or ()), "seed": seed}
    with working(f"Checking {what or data}", quiet=as_json):
        if data is not None:
            from seqlab.evaluate.pipeline_checkups import pipeline_checkup

            report = pipeline_checkup(data, [*filter(None, [what]), *overrides], **probes)
        else:
            from seqlab.evaluate.check_process import checkup_in_process

            options = {**probes, "task": task, "input": reads, "time_limit": float(time_limit)}
            report = checkup_in_process(str(what), overrides, options, trust=trust)
    _show(report, output, overwrite=overwrite, as_json=as_json)


def _check_options(
    what: str | None, data: str | None, output: Path | None, *, overwrite: bool, time_limit: int
) -> None:
    if what is None and data is None:
        raise UserError("Something must be checked: FILE.py:NAME, a recipe, a run, or --data FILE.py:LOADER.")
    if time_limit < 1:
        raise UserError(f"'--time-limit' must be at least 1 second. Got {time_limit}.")
    if output is not None and output.suffix.lower() not in PAGES:
        raise UserError(f"'--output' must end in .html. Got {str(output)!r}.")
    if not overwrite:
        check_output(output)


def _show(report: Report, output: Path | None, *, overwrite: bool, as_json: bool) -> None:
    if output is not None:
        from seqlab.report.checkup_page import write_checkup

        write_checkup(report.to_dict(), output, overwrite=overwrite)
    if as_json:
        print_json(report.to_dict())
    else:
        # A pipe has no width: nothing is cut short there.
        width = min(WIDEST, max(NARROWEST, out().width)) if out().is_terminal else None
        for line in report.lines(width):
            print_line(line)
        if output is not None:
            print_line(f"\nWrote {output}.")
    if report.faults:
        names = ", ".join(finding.probe for finding in report.faults)
        raise WorkError(f"{report.subject} is broken: {names}.")
    if not report.examined:
        raise UserError(f"{report.subject} could not be examined: {report.findings[0].evidence}")
