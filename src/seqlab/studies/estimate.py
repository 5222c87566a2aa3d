"""What a study will cost, from a few measured steps of each kind of run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from seqlab.data.batch import Batch
from seqlab.data.batches import SelectedBatches
from seqlab.experiment.experiment_config import ExperimentConfig
from seqlab.experiment.network_experiment import NetworkExperiment
from seqlab.experiment.numerics import numerics
from seqlab.experiment.thread_choice import threads_for
from seqlab.measure.evaluate import evaluate
from seqlab.schema.config import canonical
from seqlab.training.step import Step

WARM_UP, MEASURED = 2, 6
"""Steps before the measured ones, and measured steps; their batches are spread evenly over the epoch."""
CHECKPOINTS = 2
"""Checkpoints that a finished run keeps: the best and the last."""


@dataclass(frozen=True, kw_only=True)
class ExpectedCost:
    """The cost of one run.

    step_seconds, validation_seconds: of one optimizer step and of one validation. steps, validations: of the
    run. bytes: on disk.
    """

    step_seconds: float
    validation_seconds: float
    steps: int
    validations: int
    bytes: int

    @property
    def seconds(self) -> float:
        """Of the whole run; the result is scored once more at its end."""
        return self.steps * self.step_seconds + (self.validations + 1) * self.validation_seconds


class Estimates:
    """Costs of experiments; those whose steps cost the same are measured once."""

    def __init__(self, device: str | None, threads: int | None):
        self._device, self._threads = device or "cpu", threads
        self._known: dict[str, ExpectedCost] = {}

    def of(self, config: ExperimentConfig) -> ExpectedCost:
        """The expected cost of an experiment's run."""
        key = _cost_key(config)
        if key not in self._known:
            dataset = config.dataset()
            with numerics(self._device, threads_for(config, dataset, self._threads)) as device:
                experiment = NetworkExperiment(config, dataset, device, matmul=None)
                self._known[key] = _measure(experiment)
        return self._known[key]

    def seconds_per_step(self, config: ExperimentConfig) -> float:
        """Seconds of training per optimizer step, including the share of validations."""
        cost = self.of(config)
        return cost.seconds / cost.steps


def _cost_key(config: ExperimentConfig) -> str:
    """Equal for experiments whose steps cost the same."""
    # Neither the learning rate nor the seed changes the cost of a step.
    optimizer = config.training.optimizer.model_copy(update={"learning_rate": 1.0})
    training = config.training.model_copy(update={"optimizer": optimizer})
    return canonical(config.model_copy(update={"seed": 0, "training": training}))


def _measure(experiment: NetworkExperiment) -> ExpectedCost:
    config = experiment.config
    batches = experiment.task.batches(experiment.dataset.splits["train"], config.batching, seed=0)
    steps = len(batches) * config.training.epochs
    if config.training.max_steps is not None:
        steps = min(steps, config.training.max_steps)
    validations = max(1, round(steps / len(batches) * config.training.validations_per_epoch))
    # Steps first: they create the optimizer's state, which checkpoints hold.
    step_seconds = _step_seconds(experiment, batches)
    return ExpectedCost(
        step_seconds=step_seconds,
        validation_seconds=_validation_seconds(experiment),
        steps=steps,
        validations=validations,
        bytes=CHECKPOINTS * _bytes(experiment),
    )


def _step_seconds(experiment: NetworkExperiment, batches: Sequence[Batch]) -> float:
    """Mean seconds of some training steps."""
    experiment.model.train()
    step, rate = Step(experiment), experiment.config.training.optimizer.learning_rate
    device = next(experiment.model.parameters()).device
    indices = _spread(len(batches), WARM_UP + MEASURED)
    warm_up = min(WARM_UP, len(indices) - 1)
    began = time.perf_counter()
    for done, index in enumerate(indices):
        if done == warm_up:
            began = time.perf_counter()
        # A small learning rate, so that no setting of the study diverges while it is measured.
        step(batches[index].to(device), None, min(rate * 1e-3, 1e-6))
    return (time.perf_counter() - began) / (len(indices) - warm_up)


def _validation_seconds(experiment: NetworkExperiment) -> float:
    """Seconds of scoring the validation split, estimated from some batches; 0 without such a split."""
    split = experiment.dataset.splits.get("valid")
    if split is None:
        return 0.0
    batches = experiment.scoring_batches(split, experiment.config.evaluation.streams)
    sample = SelectedBatches(batches, _spread(len(batches), MEASURED))
    began = time.perf_counter()
    evaluate(experiment.model, experiment.task, sample, split="valid", metrics=("loss",))
    return (time.perf_counter() - began) * len(batches) / len(sample)


def _spread(count: int, wanted: int) -> Sequence[int]:
    """Indices spread evenly over `count` items.

    >>> _spread(10, 3), _spread(2, 3)
    ([0, 4, 9], [0, 1])
    """
    return np.unique(np.linspace(0, count - 1, wanted).astype(int)).tolist()


def _bytes(experiment: NetworkExperiment) -> int:
    """Bytes of a checkpoint: the weights and the optimizer's state."""
    tensors = [*experiment.model.parameters()]
    for state in experiment.optimizer.state.values():
        tensors += [value for value in state.values() if isinstance(value, torch.Tensor)]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
