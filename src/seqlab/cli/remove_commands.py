"""`seqlab remove` and `seqlab clean`: what deletes files lists them first, and asks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from seqlab.cli.arguments import Json
from seqlab.cli.console import (
    ask,
    can_ask,
    file_size,
    metrics_line,
    print_json,
    print_line,
    print_note,
    print_table,
)
from seqlab.schema.errors import UserError, WorkError
from seqlab.stats.formatting import counted

if TYPE_CHECKING:
    from seqlab.runs.removal import Removal

Yes = Annotated[bool, Parameter(name=["--yes", "-y"])]


def remove(*runs: Annotated[str, Parameter(name="run")], yes: Yes = False, as_json: Json = False) -> None:
    """Delete runs, after listing what is lost and asking.

    A run that is being trained is never deleted, and only files that seqlab wrote are. Where a study or an
    ensemble holds a run, what it would lose is named.

    Parameters
    ----------
    runs
        Folders of runs, or the starts of their names.
    yes
        Do not ask.
    as_json
        Print what was deleted as JSON; needs --yes.
    """
    from seqlab.runs import removal, run_folder

    if not runs:
        raise UserError("`seqlab remove` needs at least one run (`seqlab list runs`). Got none.")
    paths = list(dict.fromkeys(run_folder.locate(name) for name in runs))
    plans = [removal.plan(path) for path in paths]
    rows = [_described(plan) for plan in plans]
    if not as_json:
        for row in rows:
            _print_run(row)
    total = sum(plan.bytes for plan in plans)
    if not _confirmed(f"Delete {counted(len(plans), 'run')}, {file_size(total)}?", yes, as_json):
        print_line("Nothing was deleted.")
        return
    for plan in plans:
        removal.remove(plan)
    if as_json:
        print_json({"removed": rows})
    else:
        print_line(f"Deleted {counted(len(plans), 'run')}, {file_size(total)}.")


def clean(*, dry_run: bool = False, yes: Yes = False, as_json: Json = False) -> None:
    """Delete files that no result needs, after listing them and asking.

    That is encoded data in the cache that no run here uses, checkpoints of finished runs besides the one of
    the result, and half-written files of killed processes.

    Parameters
    ----------
    dry_run
        Only list it.
    yes
        Do not ask.
    as_json
        Print as JSON; needs --yes or --dry-run.
    """
    from seqlab.experiment.cleaning import MEANINGS, Waste, delete, find_waste

    found = find_waste()
    rows = [{"kind": one.kind, "path": str(one.path), "bytes": one.bytes} for one in found]
    if not as_json:
        for kind, meaning in MEANINGS.items():
            _print_waste(meaning, [one for one in rows if one["kind"] == kind])
    size = sum(one.bytes for one in found)
    what = f"{counted(len(found), 'item')}, {file_size(size)}"
    if dry_run or not found:
        if as_json:
            print_json({"found": rows, "deleted": []})
        else:
            print_line(f"In all {what}." if found else "There is nothing to clean.")
        return
    if not _confirmed(f"Delete {what}?", yes, as_json):
        print_line("Nothing was deleted.")
        return
    deleted: list[Waste] = []
    for one in found:
        if delete(one):
            deleted.append(one)
        else:
            print_note(f"{one.path} is in use by now, and was kept.")
    if as_json:
        print_json({"found": rows, "deleted": [str(one.path) for one in deleted]})
    else:
        print_line(f"Deleted {file_size(sum(one.bytes for one in deleted))}.")


def _described(plan: Removal) -> dict[str, Any]:
    """What is lost with a run, as plain values."""
    from seqlab.runs import removal

    holders, unreadable = removal.holders(plan.path.name)
    return {
        "run": str(plan.path),
        "bytes": plan.bytes,
        "files": len(plan.files),
        "result": _result(plan.path),
        "kept": [str(path) for path in plan.kept],
        "studies": [
            {
                "study": holder.study,
                "number": holder.trial.number,
                "runs": holder.runs,
                "architecture": holder.trial.architecture,
                "seed": holder.trial.seed,
            }
            for holder in holders
        ],
        "unreadable_studies": unreadable,
        "ensembles": removal.ensembles(plan.path.name),
    }


def _result(path: Path) -> str:
    from seqlab.runs import run_folder

    try:
        run = run_folder.open_run(path)
        return metrics_line(run.summary()["metrics"]) if run.finished else "not finished"
    except (UserError, WorkError) as error:
        return f"damaged: {error}"


def _print_run(row: dict[str, Any]) -> None:
    print_line(f"{row['run']}: {counted(row['files'], 'file')}, {file_size(row['bytes'])}; {row['result']}")
    for held in row["studies"]:
        which = f"run {held['number']} of {held['runs']}: {held['architecture']}, seed {held['seed']}"
        print_line(f"  Study {held['study']!r} loses {which}. `seqlab study` trains it again.")
    for study, reason in row["unreadable_studies"].items():
        print_line(f"  Study {study!r} cannot be read, so it is unknown whether it loses this run: {reason}")
    for ensemble in row["ensembles"]:
        print_line(f"  Ensemble {ensemble!r} loses this member, without which it can only be shown.")
    for path in row["kept"]:
        print_line(f"  Kept, because seqlab did not write it: {path}")


def _print_waste(meaning: str, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        print_line(f"{meaning[0].upper()}{meaning[1:]}:")
        print_table(("path", "size"), [(row["path"], file_size(row["bytes"])) for row in rows])
        print_line("")


def _confirmed(question: str, yes: bool, as_json: bool) -> bool:
    """Whether the user agrees.

    Raises:
        UserError: nobody can be asked.
    """
    if yes:
        return True
    if as_json or not can_ask():
        raise UserError(f"{question} Nobody can be asked here: add '--yes'. Nothing was deleted.")
    return ask(question)
