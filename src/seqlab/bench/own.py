"""Seqlab's side: the very step that `seqlab train` takes."""

from __future__ import annotations

import torch

from seqlab.bench.workload import Weights, Workload
from seqlab.data.batch import Batch
from seqlab.experiment.network_experiment import NetworkExperiment
from seqlab.models.model import State
from seqlab.training.step import Step


class SeqlabStep:
    """See `TrainingStep`."""

    def __init__(self, work: Workload):
        experiment = _experiment(work)
        self.model, self._rate = experiment.model, work.rate
        self._step = Step(experiment)
        self._carried: State | None = None

    def __call__(self, batch: Batch) -> float:
        """One training step; returns the mean loss in nats per target."""
        outcome = self._step(batch, self._carried, self._rate)
        self._carried = None if outcome.state is None else outcome.state.detach()
        return outcome.nats / outcome.targets


def first_weights(work: Workload) -> Weights:
    """The weights seqlab's model begins with, by name."""
    return _experiment(work).model.state_dict()


def _experiment(work: Workload) -> NetworkExperiment:
    config = work.config()
    return NetworkExperiment(config, work.dataset(), torch.device("cpu"), matmul=None)
