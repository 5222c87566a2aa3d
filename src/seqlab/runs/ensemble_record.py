"""What an ensemble keeps of its members: which weights they had when it was made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NotRequired

from pydantic import with_config
from typing_extensions import TypedDict

from seqlab.runs import atomic, checkpoints, run_folder
from seqlab.runs.checkpoints import BASELINE, ENSEMBLE, MODEL
from seqlab.runs.run_folder import RunFolder
from seqlab.runs.typed_json import read_text
from seqlab.schema.errors import UserError
from seqlab.schema.json_shapes import EXACT, Sha256, parse_json

_REMEDY = "Restore it from a copy, or delete the ensemble and make it again."


@with_config(EXACT)
class MemberRecord(TypedDict):
    """A member. run: its reference. weights: SHA-256 of the file that holds what it has fitted."""

    run: str
    fingerprint: Sha256
    weights: Sha256


@with_config(EXACT)
class EnsembleRecord(TypedDict):
    """The members of an ensemble, in the order of its settings.

    shares: the weight of each, which add up to 1; only where they were fitted.
    """

    members: Sequence[MemberRecord]
    shares: NotRequired[Sequence[float]]


def keep_members(run: RunFolder, members: Sequence[RunFolder], shares: Sequence[float] | None = None) -> None:
    """Write the weights of finished runs into an ensemble, in place of what a killed process may have left.

    Args:
        run: the ensemble.
        members: what it combines.
        shares: the fitted weight of each; None where the settings have them.

    Raises:
        UserError: the checkpoint of a member is damaged.
        WorkError: the disk is full.
    """
    for old in checkpoints.checkpoints(run.checkpoints):
        atomic.remove(old)
    record: EnsembleRecord = {"members": [_record(member) for member in members]}
    if shares is not None:
        record["shares"] = list(shares)
    with checkpoints.new_checkpoint(run.checkpoints, 0, run.fingerprint) as path:
        (path / ENSEMBLE).write_text(json.dumps(record, indent=1), encoding="utf-8")


def fitted_shares(run: RunFolder) -> Sequence[float] | None:
    """The fitted weight of each member of an ensemble; None where its settings decide.

    Raises:
        UserError: the ensemble was not made yet, or is damaged.
    """
    return _read(run).get("shares")


def check_members(run: RunFolder) -> None:
    """Check that the members of an ensemble are there, with the weights that it was made of.

    Raises:
        UserError: it was not made yet, is damaged, or a member is missing or has other weights.
    """
    for then in _read(run)["members"]:
        now = _record(open_member(then["run"], run.path.parent))
        if now != then:
            raise UserError(
                f"{then['run']} must have the weights with which {run.path.name} was made, SHA-256 "
                f"{then['weights'][:12]}. Got {now['weights'][:12]}. {_REMEDY}"
            )


def _read(run: RunFolder) -> EnsembleRecord:
    path = run.checkpoints / checkpoints.name(0)
    if not path.exists():
        raise UserError(f"{run.path} must be finished. Got an ensemble without members; `seqlab resume` it.")
    checkpoints.verify(path, run.fingerprint)
    return parse_json(read_text(path / ENSEMBLE), EnsembleRecord, path / ENSEMBLE)


def member_reference(run: RunFolder) -> str:
    """The name by which an ensemble knows a run.

    Raises:
        UserError: it is not in the folder of all runs, where the ensemble will be.
    """
    if run.path.parent.resolve() != run_folder.root().resolve():
        raise UserError(
            f"The members of an ensemble must be in the folder of runs, {run_folder.root()}. Got {run.path}. "
            "Nearest: SEQLAB_RUNS with the folder that holds all of them."
        )
    return run_folder.reference_of(run)


def open_member(reference: str, folder: Path | None = None) -> RunFolder:
    """The finished run that is a member of an ensemble.

    Args:
        reference: of the run.
        folder: which holds the run; None is the folder of all runs.

    Raises:
        UserError: there is no such run, it is not finished, or an ensemble itself.
    """
    path = run_folder.resolve(reference, folder)
    if not run_folder.exists(path):
        raise UserError(
            f"The member {reference!r} of an ensemble must be a run in {path.parent}. Got none. {_REMEDY}"
        )
    run = run_folder.open_run(path)
    if not run.finished:
        raise UserError(
            f"The member {path.name!r} of an ensemble must be finished. Got an unfinished run; "
            f"`seqlab resume {path.name}` continues it."
        )
    if "ensemble" in run.settings():
        raise nested_error(path.name)
    return run


def nested_error(member: str) -> UserError:
    """The error of an ensemble as a member of another one."""
    return UserError(
        f"The member {member!r} of an ensemble must not be an ensemble. Nearest: its own members, with "
        "'ensemble.weights'."
    )


def _record(member: RunFolder) -> MemberRecord:
    path = member.checkpoints / checkpoints.name(member.summary()["best_step"])
    files = checkpoints.verify(path, member.fingerprint)["files"]
    weights = next(files[name]["sha256"] for name in (MODEL, BASELINE) if name in files)
    return {"run": run_folder.reference_of(member), "fingerprint": member.fingerprint, "weights": weights}
