"""Looking inside a model: with validations while it trains, and inside the best checkpoint of a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from seqlab.data.batch import Batch
from seqlab.experiment.network_experiment import WINDOW, NetworkExperiment
from seqlab.measure import gradients
from seqlab.measure.diagnosis import DiagnosedSplit, Diagnosis
from seqlab.measure.metric_kinds import DIAGNOSTICS
from seqlab.schema.errors import UserError, unknown
from seqlab.schema.records import Record


def due(experiment: NetworkExperiment, validations: int) -> bool:
    """Whether the model is diagnosed after this validation, every `gradient_every`-th one."""
    every = experiment.config.diagnostics.gradient_every
    return every > 0 and validations % every == 0


def with_validation(experiment: NetworkExperiment) -> list[Record]:
    """What is recorded of the gradient through time with a validation; nothing is drawn or changed."""
    batch = rows(experiment, "valid", experiment.config.diagnostics.sequences)
    return gradients.diagnose_rows(experiment.model, experiment.task, batch, "valid").records


def diagnose(
    experiment: NetworkExperiment, kinds: Sequence[str], split: str, count: int | None
) -> dict[str, Diagnosis]:
    """What each diagnostic finds on a split; of one that does not fit the model, why.

    Args:
        experiment: with the weights to look into.
        kinds: keys of `seqlab list diagnostics`; () for all.
        split: name of the split.
        count: of rows, where a diagnostic reads only some; None: as many as the experiment's settings say.

    Raises:
        UserError: there is no such diagnostic or split, or none of them fits the model.
    """
    chosen = {kind: DIAGNOSTICS[kind] for kind in kinds or DIAGNOSTICS}
    if split not in experiment.dataset.splits:
        raise unknown("split", split, experiment.dataset.splits)
    settings, dataset = experiment.config.diagnostics, experiment.dataset
    data = DiagnosedSplit(
        split,
        rows(experiment, split, settings.sequences if count is None else count),
        experiment.position_batches(dataset.splits[split]),
        dataset.tokenizer.vocabulary.special,
    )
    found: dict[str, Diagnosis] = {}
    refusals: list[UserError] = []
    for kind, inspect in chosen.items():
        try:
            found[kind] = inspect(experiment.model, experiment.task, data)
        except UserError as error:
            refusals.append(error)
            found[kind] = Diagnosis([], [str(error)])
    if len(refusals) == len(chosen):
        raise refusals[0]
    return found


def rows(experiment: NetworkExperiment, split: str, count: int) -> Batch:
    """Sequences spread evenly over a split, always the same ones.

    Of separate sequences `count` whole ones. Of a running text as many parts, of each its first tokens: the
    window of training, or `WINDOW` where that is less and the model can carry its state on.
    """
    data = experiment.dataset.splits[split]
    window = WINDOW if experiment.model.capabilities.carries_state else 0
    batching = experiment.config.batching
    # A batching for running text reads separate sequences as one text, too.
    chosen = data if batching.running else data.subsample(count)
    return experiment.task.batches(chosen, batching.of_rows(count, window), None)[0]


def plain(found: Diagnosis) -> dict[str, Any]:
    """A diagnosis as a plain table for JSON."""
    return {"found": found.sentences, "records": [dataclasses.asdict(record) for record in found.records]}
