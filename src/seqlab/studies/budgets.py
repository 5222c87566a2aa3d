"""Equal budgets: the same number of parameters, tokens or seconds for every architecture of a study."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from seqlab.data.dataset_config import DatasetConfig
from seqlab.experiment.experiment_config import ExperimentConfig
from seqlab.experiment.limits import count_parameters
from seqlab.experiment.run_names import architecture
from seqlab.models.model_config import ModelConfig, Width
from seqlab.schema.config import canonical, plain
from seqlab.schema.errors import UserError
from seqlab.studies.study_config import BudgetConfig
from seqlab.tasks.task_configs import TaskConfig

TOLERANCE = 0.01
"""Relative difference up to which numbers of parameters count as equal."""
_WIDEST = 1 << 14
"""Width beyond which no model is tried."""

Adjust = Callable[[ExperimentConfig], ExperimentConfig]
"""Fits an experiment into the study's budget."""


@dataclass(frozen=True)
class EpochSize:
    """One pass over the training split: optimizer steps and tokens."""

    steps: int
    tokens: int


def adjustment(budget: BudgetConfig | None, seconds_per_step: Callable[[ExperimentConfig], float]) -> Adjust:
    """The function that fits experiments into a budget; without a budget they stay as they are.

    Args:
        budget: what is to be equal.
        seconds_per_step: of training an experiment; called only where seconds are to be equal.
    """
    if budget is None:
        return lambda config: config
    return _Equalizer(budget, seconds_per_step)


class _Equalizer:
    """Fits experiments into a budget; what depends on neither learning rate nor seed is computed once."""

    def __init__(self, budget: BudgetConfig, seconds_per_step: Callable[[ExperimentConfig], float]):
        self._budget, self._seconds_per_step = budget, seconds_per_step
        self._models: dict[str, ModelConfig] = {}
        self._epochs: dict[str, EpochSize] = {}

    def __call__(self, config: ExperimentConfig) -> ExperimentConfig:
        match self._budget.equal:
            case "parameters":
                return config.model_copy(update={"model": self._sized_model(config)})
            case "tokens":
                epoch = self._epoch(config)
                steps = round(self._budget.amount / epoch.tokens * epoch.steps)
            case "seconds":
                steps = round(self._budget.amount / self._seconds_per_step(config))
        return _for_steps(config, max(1, steps), self._epoch(config))

    def _sized_model(self, config: ExperimentConfig) -> ModelConfig:
        # Data and task determine the vocabulary and the outputs, and with them the number of parameters.
        key = f"{canonical(config.data)} {canonical(config.task)} {canonical(config.model)}"
        if key not in self._models:
            self._models[key] = _at_size(config.model, config.data, config.task, self._budget.amount)
        return self._models[key]

    def _epoch(self, config: ExperimentConfig) -> EpochSize:
        key = (
            f"{canonical(config.data)} {canonical(config.task)} {canonical(config.batching)} "
            f"{config.training.fit_on}"
        )
        if key not in self._epochs:
            self._epochs[key] = _epoch_size(config)
        return self._epochs[key]


def _for_steps(config: ExperimentConfig, steps: int, epoch: EpochSize) -> ExperimentConfig:
    """The experiment with this exact number of steps: epochs to hold them, and no early stopping."""
    # Early stopping would end some runs before the others, and their budgets would differ.
    update = {"max_steps": steps, "epochs": math.ceil(steps / epoch.steps), "patience": None}
    return config.model_copy(update={"training": config.training.model_copy(update=update)})


def _epoch_size(config: ExperimentConfig) -> EpochSize:
    dataset = config.dataset()
    batches = config.task.build(dataset).batches(dataset.splits["train"], config.batching, 0)
    tokens = sum(int(batches[index].inputs.lengths.sum()) for index in range(len(batches)))
    return EpochSize(len(batches), tokens)


def _at_size(model: ModelConfig, data: DatasetConfig, task: TaskConfig, parameters: int) -> ModelConfig:
    """The model with this number of parameters; its widths are varied in their order, coarse ones first.

    Raises:
        UserError: no size of the model comes close enough.
    """
    dataset = data.build()
    spec = task.build(dataset).spec(dataset)
    name = architecture({"model": plain(model)})

    def count(model: ModelConfig) -> int:
        number = count_parameters(model, spec)
        if number is not None:
            return number
        # A model whose weights need memory to be built.
        built = model.build(spec, torch.Generator())
        return sum(parameter.numel() for parameter in built.parameters())

    if not model.widths:
        raise UserError(
            f"A budget of parameters needs a model whose size can be changed. Got {name!r} without "
            "'model.scale_by', which names the arguments that may be changed."
        )
    for width in model.widths:
        model = _nearest(model, width, parameters, count)
        if abs(count(model) - parameters) <= TOLERANCE * parameters:
            return model
    raise UserError(
        f"'budget.amount' must be a number of parameters that the model {name!r} can have to within "
        f"{TOLERANCE:.0%}. Got {parameters:,}. Nearest: {count(model):,}."
    )


def _nearest(
    model: ModelConfig, width: Width, parameters: int, count: Callable[[ModelConfig], int]
) -> ModelConfig:
    """The model with the largest width that does not exceed the number of parameters, or the next larger one.

    The next larger one is taken if it is nearer, and only where no finer width is left to fill the gap.
    """

    def at(size: int) -> ModelConfig:
        return model.at(width, size * width.step)

    # Double, then bisect: counting may build a whole model, so only few sizes are tried.
    low, high = 1, 2
    while high * width.step < _WIDEST and count(at(high)) <= parameters:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(at(middle)) <= parameters else (low, middle)
    below, above = at(low), at(high)
    # A later, finer width adds what is missing, but cannot take away what is too much.
    if width.keys != model.widths[-1].keys and count(below) <= parameters:
        return below
    return min(below, above, key=lambda candidate: abs(count(candidate) - parameters))
