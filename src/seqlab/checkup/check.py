"""Running all probes that apply to a model."""

from __future__ import annotations

from seqlab.checkup.finding import Finding
from seqlab.checkup.probe_kinds import NEEDS, PROBES
from seqlab.data.batch import Batch
from seqlab.models.model import SequenceModel
from seqlab.tasks.task import Task


def check(model: SequenceModel, batch: Batch, task: Task) -> list[Finding]:
    """The findings of every probe that applies to the model's capabilities, in the order of `PROBES`.

    Args:
        model: not changed; neither are its weights, gradients, modes and generators.
        batch: at least two sequences, preferably of unequal lengths, with at least two different tokens and
            targets that depend on them.
        task: defines the loss.

    Raises:
        UserError: the batch is too small for the probes.
    """
    return [PROBES[name](model, batch, task) for name in PROBES if NEEDS[name](model.capabilities)]
