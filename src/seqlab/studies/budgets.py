"""Equal budgets: what every architecture of a study gets the same of."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from seqlab.models.configs import ModelConfig, Width
from seqlab.schema.errors import UserError
from seqlab.studies.config import BudgetConfig
from seqlab.train.config import ExperimentConfig
from seqlab.train.experiment import build

CLOSE = 0.01
"""Relative distance within which numbers of parameters count as equal."""
_WIDEST = 1 << 14


@dataclass(frozen=True)
class Pass:
    """One pass over the training split: optimiser steps and tokens."""

    steps: int
    tokens: int


def equalised(
    config: ExperimentConfig, budget: BudgetConfig, seconds_per_step: Callable[[ExperimentConfig], float]
) -> ExperimentConfig:
    """The experiment under a budget.

    Args:
        config: the experiment as its recipe and the study's settings have it.
        budget: what is to be equal.
        seconds_per_step: of training this experiment; asked only where seconds are to be equal.

    Raises:
        UserError: no width of the model comes close enough.
    """
    if budget.equal == "parameters":
        return config.model_copy(update={"model": _at_size(config, budget.amount)})
    whole = _one_pass(config)
    if budget.equal == "tokens":
        steps = round(budget.amount / whole.tokens * whole.steps)
    else:
        steps = round(budget.amount / seconds_per_step(config))
    return _for_steps(config, max(1, steps), whole)


def _for_steps(config: ExperimentConfig, steps: int, whole: Pass) -> ExperimentConfig:
    """So many steps exactly: as many epochs as they need, and no patience that could end them early."""
    update = {"max_steps": steps, "epochs": math.ceil(steps / whole.steps), "patience": None}
    return config.model_copy(update={"training": config.training.model_copy(update=update)})


def _one_pass(config: ExperimentConfig) -> Pass:
    dataset = config.dataset()
    batches = config.task.build(dataset).batches(dataset.splits["train"], config.batching, 0)
    tokens = sum(int(batches[index].lengths.sum()) for index in range(len(batches)))
    return Pass(len(batches), tokens)


def _at_size(config: ExperimentConfig, parameters: int) -> ModelConfig:
    """The model with so many parameters; its sizes are tried in their order, coarse ones first."""
    model = config.model
    for width in model.widths:
        model = _nearest(config, model, width, parameters)
        if abs(_count(config, model) - parameters) <= CLOSE * parameters:
            return model
    found = _count(config, model)
    raise UserError(
        f"'budget.amount' must be a number of parameters that {config.name!r} can have to within "
        f"{CLOSE:.0%}. Got {parameters:,}. Nearest: {found:,}."
    )


def _nearest(config: ExperimentConfig, model: ModelConfig, width: Width, parameters: int) -> ModelConfig:
    """The largest size at which the model is not larger than wanted, or the one above it if that is nearer.

    The one above is taken only where no finer size is left to fill the gap.
    """

    def at(size: int) -> ModelConfig:
        return model.at(width, size * width.step)

    low, high = 1, 2
    while high * width.step < _WIDEST and _count(config, at(high)) <= parameters:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _count(config, at(middle)) <= parameters else (low, middle)
    below, above = at(low), at(high)
    if width.keys != model.widths[-1].keys and _count(config, below) <= parameters:
        return below
    return min(below, above, key=lambda one: abs(_count(config, one) - parameters))


def _count(config: ExperimentConfig, model: ModelConfig) -> int:
    """Parameters of a model, as it is built."""
    sized = config.model_copy(update={"model": model})
    built = build(sized, sized.dataset(), torch.device("cpu")).model
    return sum(parameter.numel() for parameter in built.parameters())
