"""An ensemble of runs that are finished, by their names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from seqlab.experiment import recipes
from seqlab.experiment.experiment_config import AnyExperimentConfig
from seqlab.experiment.recipes import Recipe
from seqlab.runs import run_folder
from seqlab.runs.ensemble_record import member_reference
from seqlab.runs.run_shapes import RunSummary
from seqlab.schema.config import replaced
from seqlab.schema.errors import UserError
from seqlab.training import run
from seqlab.training.callback import RunCallback


def make_ensemble(
    members: Sequence[str | Path],
    overrides: Sequence[str] = (),
    *,
    device: str | None = None,
    threads: int | None = None,
    callback: RunCallback,
    trust: bool = False,
) -> RunSummary:
    """Combine finished runs into an ensemble, a run of its own; the same one again is loaded.

    Args:
        members: folders or names of runs.
        overrides: settings as key=value, such as `name=best` or `ensemble.weights=2,1`.
        device: where the models live; None is the CPU.
        threads: of the numerical libraries; None is as many as pay.
        callback: receives the progress.
        trust: whether code of the members' folders may be executed that is not trusted on this machine.

    Returns:
        The summary of the ensemble's run.

    Raises:
        UserError: a run does not exist or is unfinished, the runs cannot be combined, a key or value is
            wrong, or another ensemble has the name.
        WorkError: the disk is full.
    """
    references = [member_reference(run_folder.find(str(member))) for member in members]
    config = _configure(references, overrides)
    if any(override.partition("=")[0].strip() == "name" for override in overrides):
        _check_name(config)
    return run.train(config, device=device, threads=threads, callback=callback, trust=trust)


def with_references(config: AnyExperimentConfig) -> AnyExperimentConfig:
    """The experiment as its run has it: members of an ensemble by reference, whether there are runs or not.

    Raises:
        UserError: a member does not exist, or its data cannot be found.
    """
    if not config.members:
        return config
    return replaced(config, {"ensemble.members": tuple(map(_reference, config.members))})


def _reference(member: str) -> str:
    words = recipes.member_words(member)
    if words is None:
        return member_reference(recipes.member_run(member))
    return run.run_reference(recipes.configure(*words)[0])


def _configure(members: Sequence[str], overrides: Sequence[str]) -> AnyExperimentConfig:
    given = Recipe("ensemble", "", {"ensemble": {"members": list(members)}}, sized_by_data=False)
    recipe = recipes.with_member_data(given)
    name = f"{recipe.table['data']['kind']}-ensemble" if members else "ensemble"
    table, _ = recipes.overridden(replace(recipe, table={"name": name, **recipe.table}), overrides)
    return recipes.experiment(recipe, table)[0]


def _check_name(config: AnyExperimentConfig) -> None:
    """Check that a name which the user chose does not become that of two runs.

    Raises:
        UserError: another run has it.
    """
    own, taken = run_folder.resolve(run.run_reference(config)).name, run_folder.named(config.name)
    if taken and own not in taken:
        raise UserError(
            f"'name' must be that of no other run. Got {config.name!r}, as {taken[0]} has. "
            f"Nearest: name={config.name}-{len(taken) + 1}."
        )
