"""`seqlab check`: silent bugs of a module, a recipe's model, or a trained one."""

from __future__ import annotations

from typing import Literal

from seqlab.cli.arguments import Json, Setting, Trust
from seqlab.cli.console import print_json, print_line, print_table
from seqlab.cli.progress_display import working
from seqlab.schema.errors import WorkError


def check(
    what: str,
    /,
    *overrides: Setting,
    task: Literal["language-model", "classify"] | None = None,
    trust: Trust = False,
    as_json: Json = False,
) -> None:
    """Look for silent bugs in a model; exit status 1 if there is one.

    Each probe (`seqlab list probes`) states what must hold of a correct model, and gives its evidence. The
    model is not changed.

    Parameters
    ----------
    what
        A module of your own as FILE.py:NAME, a recipe, or a run (the folder, or the start of its name).
    overrides
        Settings of a recipe, or of a module, e.g. model.arguments.size=64.
    task
        What a module of your own predicts. Default: the task that its outputs fit.
    as_json
        Print the findings as JSON.
    """
    from seqlab.evaluate.checkups import checkup

    with working(f"Checking {what}", quiet=as_json):
        found = checkup(what, overrides, task=task, trust=trust)
    if as_json:
        rows = [{"probe": name, "result": result, "evidence": why} for name, result, why in found.table]
        print_json({"subject": found.subject, "notes": found.notes, "probes": rows})
    else:
        for note in found.notes:
            print_line(f"Note: {note}")
        print_table(("probe", "result", "evidence"), found.table)
    if found.faults:
        names = ", ".join(finding.probe for finding in found.faults)
        raise WorkError(f"{found.subject} has a fault: {names}.")
