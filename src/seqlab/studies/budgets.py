"""Equal budgets: what every architecture of a study gets the same of."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from seqlab.data.dataset_config import DatasetConfig
from seqlab.experiment.experiment_config import ExperimentConfig
from seqlab.models.model_config import ModelConfig, Width
from seqlab.schema.config import canonical
from seqlab.schema.errors import UserError
from seqlab.studies.study_config import BudgetConfig
from seqlab.tasks.task_configs import TaskConfig

CLOSE = 0.01
"""Relative distance within which numbers of parameters count as equal."""
_WIDEST = 1 << 14


@dataclass(frozen=True)
class EpochSize:
    """One pass over the training split: optimiser steps and tokens."""

    steps: int
    tokens: int


def equaliser(
    budget: BudgetConfig, seconds_per_step: Callable[[ExperimentConfig], float]
) -> Callable[[ExperimentConfig], ExperimentConfig]:
    """What brings experiments under a budget; what does not depend on rate and seed is worked out once.

    Args:
        budget: what is to be equal.
        seconds_per_step: of training an experiment; asked only where seconds are to be equal.
    """
    models: dict[str, ModelConfig] = {}
    passes: dict[str, EpochSize] = {}

    def equal(config: ExperimentConfig) -> ExperimentConfig:
        read = f"{canonical(config.data)} {canonical(config.task)}"
        if budget.equal == "parameters":
            key = f"{read} {canonical(config.model)}"
            if key not in models:
                models[key] = _at_size(config.model, config.data, config.task, budget.amount)
            return config.model_copy(update={"model": models[key]})
        key = f"{read} {canonical(config.batching)} {config.training.fit_on}"
        if key not in passes:
            passes[key] = _one_pass(config)
        whole = passes[key]
        if budget.equal == "tokens":
            steps = round(budget.amount / whole.tokens * whole.steps)
        else:
            steps = round(budget.amount / seconds_per_step(config))
        return _for_steps(config, max(1, steps), whole)

    return equal


def _for_steps(config: ExperimentConfig, steps: int, whole: EpochSize) -> ExperimentConfig:
    """So many steps exactly: as many epochs as they need, and no patience that could end them early."""
    update = {"max_steps": steps, "epochs": math.ceil(steps / whole.steps), "patience": None}
    return config.model_copy(update={"training": config.training.model_copy(update=update)})


def _one_pass(config: ExperimentConfig) -> EpochSize:
    dataset = config.dataset()
    batches = config.task.build(dataset).batches(dataset.splits["train"], config.batching, 0)
    tokens = sum(int(batches[index].lengths.sum()) for index in range(len(batches)))
    return EpochSize(len(batches), tokens)


def _at_size(model: ModelConfig, data: DatasetConfig, task: TaskConfig, parameters: int) -> ModelConfig:
    """The model with so many parameters; its sizes are tried in their order, coarse ones first.

    Raises:
        UserError: no size of the model comes close enough.
    """
    dataset = data.build()
    vocabulary, outputs = dataset.tokenizer.vocabulary, task.build(dataset).outputs(dataset)

    def count(model: ModelConfig) -> int:
        built = model.build(
            vocabulary=len(vocabulary),
            outputs=outputs,
            generator=torch.Generator(),
            numbers=vocabulary.numbers,
        )
        return sum(parameter.numel() for parameter in built.parameters())

    for width in model.widths:
        model = _nearest(model, width, parameters, count)
        if abs(count(model) - parameters) <= CLOSE * parameters:
            return model
    raise UserError(
        f"'budget.amount' must be a number of parameters that the model {model.kind!r} can have to within "
        f"{CLOSE:.0%}. Got {parameters:,}. Nearest: {count(model):,}."
    )


def _nearest(
    model: ModelConfig, width: Width, parameters: int, count: Callable[[ModelConfig], int]
) -> ModelConfig:
    """The largest size at which the model is not larger than wanted, or the one above it if that is nearer.

    The one above is taken only where no finer size is left to fill the gap.
    """

    def at(size: int) -> ModelConfig:
        return model.at(width, size * width.step)

    low, high = 1, 2
    while high * width.step < _WIDEST and count(at(high)) <= parameters:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(at(middle)) <= parameters else (low, middle)
    below, above = at(low), at(high)
    if width.keys != model.widths[-1].keys and count(below) <= parameters:
        return below
    return min(below, above, key=lambda one: abs(count(one) - parameters))
