"""`seqlab study`: many runs from one file, one comparison."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from seqlab.cli.arguments import Json, Setting
from seqlab.cli.console import duration, err, print_json, print_table, say
from seqlab.cli.study_view import StudyView
from seqlab.schema.errors import UserError

if TYPE_CHECKING:
    from seqlab.runs.study_folder import StudyFolder
    from seqlab.studies.final_evaluation import FinalEvaluation
    from seqlab.studies.forecast import Forecast


def study(
    file: str,
    /,
    *overrides: Setting,
    plan: bool = False,
    final: bool = False,
    processes: int = 1,
    equal: str | None = None,
    retry: bool = False,
    allow_incomparable: bool = False,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    device: str | None = None,
    threads: int | None = None,
    as_json: Json = False,
) -> None:
    """Carry out many runs from one file, and compare them.

    Stopped at any moment, the same command goes on where it was; no finished run is repeated. It prints the
    comparison, with the spread over seeds, and writes a report.

    Parameters
    ----------
    file
        Name of a shipped study (`seqlab list studies`), or a TOML file.
    overrides
        Settings of the study, e.g. seeds=1,2, or of every run, e.g. training.epochs=3.
    plan
        Only say how many runs there are and, from a few measured steps, what they will cost.
    final
        Then score the test split, once, with what the study's `final` names.
    processes
        Runs side by side, the threads divided between them.
    equal
        What all architectures get alike: parameters=N, tokens=N, or seconds=N.
    retry
        Run those again that failed.
    allow_incomparable
        Show numbers that cannot be compared apart from each other, in place of refusing.
    output
        The report. Default: report.html in the study's folder.
    device
        Where models live. Default: cpu.
    threads
        Threads of the numerical libraries, all processes together. Default: all cores.
    as_json
        Print the result as JSON, and nothing else.
    """
    from seqlab.studies import design, forecast
    from seqlab.studies.resources import resources_for

    if plan and final:
        raise UserError("A study is planned or brought to its end. Got both '--plan' and '--final'.")
    budget = [] if equal is None else _budget(equal)
    work = design.Design(design.read(file, (*overrides, *budget)))
    resources = resources_for(processes, device, threads)
    if plan:
        _show_plan(forecast.forecast(work, resources, processes), as_json)
        return
    from seqlab.studies.run_study import evaluate_study, run_study

    view = StudyView(quiet=as_json)
    try:
        folder = run_study(work, resources, processes=processes, retry=retry, callback=view)
        look = evaluate_study(work, folder, resources, view) if final else None
    finally:
        view.close()
    _show(folder, look, allow_incomparable=allow_incomparable, output=output, as_json=as_json)


def _show(
    folder: StudyFolder,
    look: FinalEvaluation | None,
    *,
    allow_incomparable: bool,
    output: Path | None,
    as_json: bool,
) -> None:
    """Print the comparison and write the report."""
    from seqlab.cli import study_result
    from seqlab.compare.study import read

    found = read(folder)
    refused = next((words for part in found if (words := part.refusal()) is not None), None)
    if refused is not None and not allow_incomparable:
        raise UserError(refused)
    # Datasets that are an axis stand apart anyway.
    page = _write_report(folder, output, allow_incomparable=allow_incomparable or len(found) > 1)
    if as_json:
        print_json({**study_result.as_table(found, folder, look), "report": str(page)})
        return
    study_result.show(found, allow_incomparable)
    if look is not None:
        study_result.show_look(look)
    say(f"\nReport: {page}")


def _write_report(study: StudyFolder, output: Path | None, *, allow_incomparable: bool) -> Path:
    from seqlab import report

    page = output or study.path / "report.html"
    return report.write(
        [], page, title=f"Study {study.name}", studies=[study], allow_incomparable=allow_incomparable
    )


def _budget(equal: str) -> list[str]:
    """The overrides that `--equal what=amount` stands for."""
    what, _, amount = equal.partition("=")
    if what not in ("parameters", "tokens", "seconds") or not amount.replace("_", "").isdigit():
        raise UserError(
            f"'--equal' must be parameters=N, tokens=N or seconds=N. Got {equal!r}. "
            "Nearest: '--equal parameters=100000'."
        )
    return [f"budget.equal={what}", f"budget.amount={amount.replace('_', '')}"]


def _show_plan(found: Forecast, as_json: bool) -> None:
    if as_json:
        print_json(found.as_table())
        return
    for sentence in found.sentences:
        say(sentence)
    columns = ("architecture", "runs", "cells", "ms a step", "steps a run", "a run", "all runs", "disk")
    rows: list[list[Any]] = [
        [
            row.architecture,
            row.runs,
            row.cells,
            f"{1000 * row.step_seconds:.1f}",
            row.steps,
            duration(row.run_seconds),
            duration(row.seconds),
            f"{row.bytes / 2**20:,.0f} MiB",
        ]
        for row in found.rows
    ]
    print_table(columns, rows)
    err.print()
