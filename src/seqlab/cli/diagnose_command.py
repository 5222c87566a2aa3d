"""`seqlab diagnose`: analyses of the models of trained runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seqlab.cli.arguments import Json, Trust, Whole
from seqlab.cli.console import print_heading, print_json, print_line, print_note
from seqlab.cli.curve_tables import print_curves
from seqlab.cli.progress_display import working
from seqlab.schema.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable


def diagnose(
    *name: str,
    diagnostic: tuple[str, ...] = (),
    split: str = "valid",
    rows: Whole | None = None,
    device: str = "cpu",
    trust: Trust = False,
    as_json: Json = False,
) -> None:
    """Diagnose runs: loss by position, gradients, saturation.

    The best checkpoint of each run is analysed. What is measured is kept in the runs' folders, and
    `seqlab report RUN...` draws all runs in one chart.

    Parameters
    ----------
    name
        Folders of runs, or the starts of their names.
    diagnostic
        Name of a diagnostic (`seqlab list diagnostics`); can be repeated. Default: all that fit the model.
    split
        train, valid or test.
    rows
        Number of texts, or of parts of a running text, for the gradient and for saturation. Default: the
        run's diagnostics.sequences. Losses by position are over the whole split, free-running ones over at
        most 30,000 tokens of it.
    device
        Device to compute on: cpu, cuda or mps.
    as_json
        Print the diagnostics as JSON; of several runs a list.
    """
    from seqlab.evaluate.evaluation import diagnose_run
    from seqlab.runs import run_folder

    if not name:
        raise UserError("`seqlab diagnose` needs at least one run (`seqlab list runs`). Got none.")

    def of_run(one: str) -> dict[str, Any]:
        run = run_folder.find(one)
        return diagnose_run(run, diagnostic, split=split, rows=rows, device=device, trust=trust)

    with working("Diagnosing the best checkpoint", quiet=as_json):
        found = _of_all(name, of_run)
    if as_json:
        print_json(found if len(name) > 1 else found[0])
        return
    for number, diagnosis in enumerate(found):
        _print(diagnosis, split, first=number == 0)


def _of_all(names: tuple[str, ...], of_run: Callable[[str], dict[str, Any]]) -> list[dict[str, Any]]:
    """What is found of each run; one that cannot be diagnosed is named, and the others are.

    Raises:
        UserError: none can be diagnosed.
    """
    found: list[dict[str, Any]] = []
    refusals: list[UserError] = []
    for name in names:
        try:
            found.append(of_run(name))
        except UserError as error:
            refusals.append(error)
    if not found:
        raise refusals[0]
    for error in refusals:
        print_note(str(error))
    return found


def _print(diagnosis: dict[str, Any], split: str, *, first: bool) -> None:
    line = f"{diagnosis['run']}, {split}, checkpoint of step {diagnosis['checkpoint_step']:,}"
    print_line(line if first else f"\n{line}")
    for kind, content in diagnosis["diagnostics"].items():
        print_heading(f"\n{kind}")
        for sentence in content["found"]:
            print_line(sentence)
        curves = [record for record in content["records"] if "x" in record]
        if curves:
            print_curves(curves)
