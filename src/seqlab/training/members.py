"""The members of an ensemble before it is made: recipes are trained, and all must answer the same texts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from seqlab.evaluate.loaded import read_trusted
from seqlab.experiment import recipes
from seqlab.experiment.experiment_config import AnyExperimentConfig
from seqlab.experiment.member_data import (
    MemberData,
    check_alike,
    check_combines,
    data_of_experiment,
    data_of_run,
)
from seqlab.runs import run_folder
from seqlab.runs.ensemble_record import member_reference, nested_error, open_member
from seqlab.runs.run_folder import RunFolder
from seqlab.runs.run_shapes import RunSummary
from seqlab.schema.config import AnyConfig, replaced
from seqlab.training.callback import RunCallback
from seqlab.training.interrupt import Interrupted

Train = Callable[[AnyExperimentConfig], RunSummary]
"""Trains an experiment to its end, or loads the finished one."""


def with_finished_members(
    config: AnyExperimentConfig, train: Train, callback: RunCallback, *, trust: bool
) -> AnyExperimentConfig:
    """An ensemble with each member as the reference of its finished run; recipes are trained first.

    Args:
        config: of an ensemble; what combines nothing is returned as it is.
        train: trains a member.
        callback: receives which member is next.
        trust: see `seqlab.training.run.train`.

    Raises:
        UserError: a member does not exist, is unfinished, or the members cannot be combined; nothing was
            trained then.
        Interrupted: somebody asked to stop; everything is saved.
    """
    if not config.members:
        return config
    check_combines(config.task)
    experiments = {member: _experiment(member, callback) for member in config.members}
    data = [_data(member, found, trust=trust) for member, found in experiments.items()]
    check_combines(config.task, data)
    check_alike(data)
    return _finished(config, experiments, train, callback)


def members_threads(config: AnyExperimentConfig) -> int | None:
    """The most threads that a finished member of an ensemble began with; None where it has no member."""
    return max((open_member(name).environment()["threads"] for name in config.members), default=None)


def _finished(
    config: AnyConfig, experiments: dict[str, AnyExperimentConfig | None], train: Train, callback: RunCallback
) -> AnyConfig:
    """The same, after all was checked."""
    runs: list[RunFolder] = []
    for number, (member, experiment) in enumerate(experiments.items(), start=1):
        if experiment is None:
            runs.append(recipes.member_run(member))
            continue
        callback.message(f"Member {number} of {len(experiments)}: {member}")
        try:
            runs.append(run_folder.open_run(Path(train(experiment)["run"])))
        except Interrupted as interrupt:
            raise Interrupted(f"{interrupt} The command for the ensemble continues it, too.") from None
    return replaced(config, {"ensemble.members": tuple(map(member_reference, runs))})


def _experiment(member: str, callback: RunCallback) -> AnyExperimentConfig | None:
    """The experiment of a member that is a recipe; None of a run."""
    words = recipes.member_words(member)
    if words is None:
        return None
    config, notes = recipes.configure(*words)
    for note in notes:
        callback.message(f"{member}: {note}")
    if config.members:
        raise nested_error(member)
    return config


def _data(member: str, experiment: AnyExperimentConfig | None, *, trust: bool) -> MemberData:
    """What a member answers: of a run as it is known from its folder."""
    if experiment is not None:
        return data_of_experiment(member, experiment, experiment.dataset())
    run = open_member(member_reference(recipes.member_run(member)))
    read_trusted(run, trust=trust)
    return data_of_run(run)
