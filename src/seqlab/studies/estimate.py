"""What a study will cost, from a few measured steps of each kind of run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from seqlab.evaluate.scoring import scoring_pass
from seqlab.experiment.experiment_config import ExperimentConfig
from seqlab.experiment.matmul_choice import choose
from seqlab.experiment.network_experiment import Experiment, build
from seqlab.experiment.numerics import numerics
from seqlab.measure.evaluate import evaluate
from seqlab.schema.config import canonical
from seqlab.training.step import Step

WARM_UP, MEASURED = 2, 6
"""Steps before the measured ones, and those: of batches spread evenly over the epoch."""
CHECKPOINTS = 2
"""A finished run keeps the best and the last."""


@dataclass(frozen=True, kw_only=True)
class RunCost:
    """Of one run: seconds of an optimiser step and of a validation, steps of the run, bytes on disk."""

    step_seconds: float
    validation_seconds: float
    steps: int
    validations: int
    bytes: int

    @property
    def seconds(self) -> float:
        """Of the whole run."""
        return self.steps * self.step_seconds + (self.validations + 1) * self.validation_seconds


class Estimates:
    """Costs of experiments; what does not change the cost of a step is measured once."""

    def __init__(self, device: str | None, threads: int | None):
        self._device, self._threads = device or "cpu", threads
        self._known: dict[str, RunCost] = {}

    def of(self, config: ExperimentConfig) -> RunCost:
        """What the run of an experiment will cost."""
        key = _cost_key(config)
        if key not in self._known:
            with numerics(self._device, self._threads) as place:
                threads = torch.get_num_threads()
                matmul = choose(config.training.matmul, device=place.type, threads=threads)
                self._known[key] = _measure(build(config, config.dataset(), place, matmul))
        return self._known[key]

    def seconds_per_step(self, config: ExperimentConfig) -> float:
        """Seconds of one optimiser step, validations in their proportion."""
        cost = self.of(config)
        return cost.seconds / cost.steps


def _cost_key(config: ExperimentConfig) -> str:
    """Equal for experiments whose steps cost the same."""
    optimizer = config.training.optimizer.model_copy(update={"learning_rate": 1.0})
    training = config.training.model_copy(update={"optimizer": optimizer})
    return canonical(config.model_copy(update={"seed": 0, "training": training}))


def _measure(experiment: Experiment) -> RunCost:
    config = experiment.config
    batches = experiment.task.batches(experiment.dataset.splits["train"], config.batching, seed=0)
    steps = len(batches) * config.training.epochs
    if config.training.max_steps is not None:
        steps = min(steps, config.training.max_steps)
    experiment.model.train()
    move = Step(experiment)
    places = _spread(len(batches), WARM_UP + MEASURED)
    began = time.perf_counter()
    for done, place in enumerate(places):
        if done == min(WARM_UP, len(places) - 1):
            began = time.perf_counter()
        batch = batches[place].to(next(experiment.model.parameters()).device)
        move(batch, None, config.training.optimizer.learning_rate * 1e-3)
    taken = len(places) - min(WARM_UP, len(places) - 1)
    step_seconds = (time.perf_counter() - began) / taken
    validations = max(1, round(steps / len(batches) * config.training.validations_per_epoch))
    return RunCost(
        step_seconds=step_seconds,
        validation_seconds=_validation_seconds(experiment),
        steps=steps,
        validations=validations,
        bytes=CHECKPOINTS * _bytes(experiment),
    )


def _validation_seconds(experiment: Experiment) -> float:
    """Seconds of scoring the validation split, from some of its batches; 0 where there is none."""
    split = experiment.dataset.splits.get("valid")
    if split is None:
        return 0.0
    plan = scoring_pass(experiment, split, experiment.config.evaluation.streams)
    some = [plan.batches[place] for place in _spread(len(plan.batches), MEASURED)]
    began = time.perf_counter()
    evaluate(experiment.model, experiment.task, some, split="valid", metrics=("loss",), carry=False)
    return (time.perf_counter() - began) * len(plan.batches) / len(some)


def _spread(count: int, wanted: int) -> Sequence[int]:
    """Places spread evenly over so many.

    >>> _spread(10, 3), _spread(2, 3)
    ([0, 4, 9], [0, 1])
    """
    return np.unique(np.linspace(0, count - 1, wanted).astype(int)).tolist()


def _bytes(experiment: Experiment) -> int:
    """Of a checkpoint: the weights, and what the optimiser remembers."""
    tensors = [*experiment.model.parameters()]
    for state in experiment.optimizer.state.values():
        tensors += [value for value in state.values() if isinstance(value, torch.Tensor)]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
