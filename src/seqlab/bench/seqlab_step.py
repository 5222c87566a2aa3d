"""Seqlab's side of a comparison: the training step of `seqlab train`."""

from __future__ import annotations

import torch

from seqlab.bench.workload import Weights, Workload
from seqlab.data.batch import Batch
from seqlab.experiment.network_experiment import NetworkExperiment
from seqlab.models.model import State
from seqlab.training.step import Step


class SeqlabStep:
    """The step of a workload's experiment; carries the state from batch to batch."""

    def __init__(self, work: Workload):
        experiment = _experiment(work)
        self.model, self._learning_rate = experiment.model, work.learning_rate
        self._step = Step(experiment)
        self._carries = self.model.capabilities.carries_state
        self._carried: State | None = None

    def __call__(self, batch: Batch) -> float:
        """One training step; returns the mean loss in nats per target."""
        outcome = self._step(batch, self._carried, self._learning_rate)
        # Detached, as in training: gradients stop at the borders of batches.
        state = outcome.state if self._carries else None
        self._carried = None if state is None else state.detach()
        return outcome.nats / outcome.targets


def initial_weights(work: Workload) -> Weights:
    """The initial weights of seqlab's model, by name."""
    return _experiment(work).model.state_dict()


def _experiment(work: Workload) -> NetworkExperiment:
    config = work.config()
    return NetworkExperiment(config, work.dataset(), torch.device("cpu"), matmul=None)
