"""The runs of a study: which there are to be, in which order, and what became of them so far."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from seqlab.experiment.experiment_config import ExperimentConfig
from seqlab.runs.study_folder import Trial
from seqlab.schema.config import plain
from seqlab.studies import axes
from seqlab.studies.axes import EPOCHS
from seqlab.studies.design import Design
from seqlab.training.run import run_path

Adjust = Callable[[ExperimentConfig], ExperimentConfig]
"""Brings an experiment under the study's budget."""


def grid(design: Design, adjust: Adjust) -> list[Trial]:
    """Every run of a grid, numbered; a whole pass with the first seed comes first.

    Where epochs are an axis and the schedule does not look at the end, one run to the most epochs answers for
    all of them.
    """
    found = baselines(design)
    for seed in design.config.seeds:
        for architecture in design.architectures:
            for setting, epochs in rows(design, architecture):
                found.append(
                    trial(
                        design,
                        architecture,
                        setting,
                        number=len(found) + 1,
                        seed=seed,
                        epochs=epochs,
                        adjust=adjust,
                    )
                )
    return found


def baselines(design: Design) -> list[Trial]:
    """The runs of the study's baselines, once for each data that the others are trained on."""
    settings = axes.combinations([axis for axis in design.setting_axes if axis.key.split(".")[0] == "data"])
    found: list[Trial] = []
    for name in design.config.baselines:
        for setting in settings:
            config = design.baseline(name, setting)
            found.append(
                Trial(
                    number=len(found) + 1,
                    architecture=name,
                    setting=setting,
                    seed=design.config.seeds[0],
                    epochs=(),
                    run=run_path(config).name,
                    config=plain(config),
                    baseline=True,
                )
            )
    return found


def rows(design: Design, architecture: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], tuple[int, ...]]]:
    """The settings of one architecture that are a run each, with the epochs it answers for."""
    epochs = next((axis.values for axis in design.setting_axes if axis.key == EPOCHS), ())
    others = [axis for axis in design.setting_axes if axis.key != EPOCHS]
    for setting in axes.combinations(others):
        if not epochs:
            yield setting, ()
        elif one_run_answers(design, {**architecture, **setting}):
            yield setting, tuple(sorted(epochs))
        else:
            yield from (({**setting, EPOCHS: count}, ()) for count in epochs)


def one_run_answers(design: Design, setting: Mapping[str, Any]) -> bool:
    """Whether a run of most epochs goes through the very weights of the runs with fewer."""
    training = design.experiment(setting, design.config.seeds[0]).training
    return not training.schedule.depends_on_length


def trial(
    design: Design,
    architecture: Mapping[str, Any],
    setting: Mapping[str, Any],
    *,
    number: int,
    seed: int,
    epochs: Sequence[int] = (),
    adjust: Adjust,
) -> Trial:
    """One run of the study; `adjust` brings it under the study's budget."""
    whole = {**architecture, **setting}
    if epochs:
        whole[EPOCHS] = max(epochs)
    config = adjust(design.experiment(whole, seed))
    return Trial(
        number=number,
        architecture=design.named(architecture),
        setting=dict(setting),
        seed=seed,
        epochs=tuple(epochs),
        run=run_path(config).name,
        config=plain(config),
    )
