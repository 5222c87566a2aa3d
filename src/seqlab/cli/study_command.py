"""`seqlab study`: many runs from one file, and their comparison."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from seqlab.cli.arguments import Json, Setting, Whole, check_output
from seqlab.cli.console import duration, print_json, print_line, print_note, print_table
from seqlab.cli.study_display import StudyDisplay
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
    processes: Whole = 1,
    equal: str | None = None,
    retry: bool = False,
    allow_incomparable: bool = False,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    device: str | None = None,
    threads: Whole | None = None,
    as_json: Json = False,
) -> None:
    """Run a study: train many runs from one file, and compare them.

    It prints the comparison, with the spread over seeds, and writes a report. After an interruption, the same
    command continues; no finished run is repeated.

    Parameters
    ----------
    file
        Name of a shipped study (`seqlab list studies`), or a TOML file.
    overrides
        Settings of the study, e.g. seeds=1,2, or of every run, e.g. training.epochs=3.
    plan
        Only print the number of runs and, from a few measured steps, their cost.
    final
        At the end, score the test split, once, with the settings chosen by the study's `final`.
    processes
        Runs at a time; they share the threads.
    equal
        What is equal for all architectures: parameters=N, tokens=N or seconds=N.
    retry
        Run failed runs again.
    allow_incomparable
        Show numbers that cannot be compared separately instead of refusing.
    output
        Path of the report. Default: report.html in the study's folder.
    device
        Device to train on: cpu, cuda or mps. Default: cpu.
    threads
        Number of threads, of all processes together. Default: the processors that this process may use,
        and at most OMP_NUM_THREADS for each; with one process each run has as many as make its steps faster.
    as_json
        Print only the result, as JSON.
    """
    check_output(output)
    from seqlab.studies import design
    from seqlab.studies.resources import resources_for

    if plan and final:
        raise UserError("A study is either planned or run. Got both '--plan' and '--final'.")
    budget = [] if equal is None else _budget(equal)
    designed = design.Design(design.read(file, (*overrides, *budget)))
    # Before anything that takes seconds to import.
    designed.check()
    resources = resources_for(processes, device, threads)
    if plan:
        from seqlab.studies.forecast import forecast

        _print_plan(forecast(designed, resources, processes), as_json)
        return
    from seqlab.studies.run_study import evaluate_study, run_study

    display = StudyDisplay(quiet=as_json)
    try:
        folder = run_study(designed, resources, processes=processes, retry=retry, callback=display)
        evaluation = evaluate_study(designed, folder, resources, display) if final else None
    finally:
        display.close()
    _print_result(folder, evaluation, allow_incomparable=allow_incomparable, output=output, as_json=as_json)


def _print_result(
    folder: StudyFolder,
    evaluation: FinalEvaluation | None,
    *,
    allow_incomparable: bool,
    output: Path | None,
    as_json: bool,
) -> None:
    """Print the comparison and write the report."""
    from seqlab.cli import study_result
    from seqlab.comparison.study import read_ranked
    from seqlab.studies.study_json import as_table

    parts = read_ranked(folder, allow_incomparable=allow_incomparable)
    # An axis of datasets makes parts that are not ranked with each other in any case.
    page = _write_report(folder, output, allow_incomparable=allow_incomparable or len(parts) > 1)
    if as_json:
        print_json({**as_table(parts, folder, evaluation), "report": str(page)})
        return
    study_result.show(parts, allow_incomparable)
    if evaluation is not None:
        study_result.show_test_evaluation(evaluation)
    print_line(f"\nReport: {page}")


def _write_report(study: StudyFolder, output: Path | None, *, allow_incomparable: bool) -> Path:
    from seqlab import report

    page = output or study.report
    return report.write(
        [], page, title=f"Study {study.name}", studies=[study], allow_incomparable=allow_incomparable
    )


def _budget(equal: str) -> list[str]:
    """The overrides for `--equal what=amount`."""
    what, _, amount = equal.partition("=")
    if what not in ("parameters", "tokens", "seconds") or not amount.replace("_", "").isdigit():
        raise UserError(
            f"'--equal' must be parameters=N, tokens=N or seconds=N. Got {equal!r}. "
            "Nearest: '--equal parameters=100000'."
        )
    return [f"budget.equal={what}", f"budget.amount={amount.replace('_', '')}"]


def _print_plan(forecast: Forecast, as_json: bool) -> None:
    if as_json:
        print_json(forecast.as_table())
        return
    for sentence in forecast.sentences:
        print_line(sentence)
    columns = (
        "architecture",
        "runs",
        "cells",
        "ms per step",
        "steps per run",
        "time per run",
        "time",
        "disk",
    )
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
        for row in forecast.rows
    ]
    print_table(columns, rows)
    print_line(
        f"In all about {duration(forecast.seconds)} to the end, and {forecast.bytes / 2**20:,.0f} MiB."
    )
    if forecast.final_seconds:
        most = duration(forecast.final_seconds)
        print_line(f"'--final' trains the chosen cells again to their epochs: at most {most} more.")
    print_note("")
