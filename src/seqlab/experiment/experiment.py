"""One experiment, built from its settings and its data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from seqlab.data.dataset import Dataset
from seqlab.experiment.experiment_config import AnyExperimentConfig
from seqlab.experiment.experiment_kinds import EXPERIMENTS
from seqlab.models.input_spec import InputSpec
from seqlab.models.layer_counts import LayerCount
from seqlab.tasks.task import Task


class Experiment(ABC):
    """Everything of an experiment that can be wrong, built before its run folder exists.

    config: all settings. dataset: what is learned from. task: what is predicted. spec: what the model
    knows of the data. notes: what the user should know of how it is fitted.
    """

    config: AnyExperimentConfig
    dataset: Dataset
    task: Task
    notes: tuple[str, ...]

    @property
    def spec(self) -> InputSpec:
        """What a model may know of the data."""
        return self.task.spec(self.dataset)

    @property
    @abstractmethod
    def matmul(self) -> str:
        """Name of the matmul backend of the output layer and of Transformer layers."""

    @property
    def weights(self) -> Mapping[str, Tensor]:
        """What training moves, by name; nothing where all is fitted at once."""
        return {}

    @abstractmethod
    def count(self) -> list[LayerCount]:
        """What is fitted, part by part."""


def build(
    config: AnyExperimentConfig,
    dataset: Dataset,
    device: torch.device,
    matmul: str | None,
    folder: Path | None = None,
) -> Experiment:
    """The experiment of these settings on a dataset.

    Args:
        config: everything that decides the numbers.
        dataset: what is learned from.
        device: where a model lives.
        matmul: the matmul backend that an unfinished run began with; None chooses.
        folder: which holds the runs that it combines; None is the folder of all runs.

    Raises:
        UserError: the parts do not fit each other.
    """
    return EXPERIMENTS[config.method](config, dataset, device, matmul, folder)
