"""A baseline with its data, ready to be fitted."""

from __future__ import annotations

from pathlib import Path

import torch
from typing_extensions import override

from seqlab.baselines.baseline import Baseline, FitContext
from seqlab.data.dataset import Dataset
from seqlab.experiment.experiment import Experiment
from seqlab.experiment.experiment_config import BaselineExperimentConfig
from seqlab.measure.suitable import check_metrics
from seqlab.models.layer_counts import LayerCount
from seqlab.schema.errors import UserError


class BaselineExperiment(Experiment):
    """A baseline has neither steps nor a seed; see `Experiment`."""

    config: BaselineExperimentConfig
    notes = ()

    def __init__(self, config: BaselineExperimentConfig, dataset: Dataset):
        """The experiment of these settings on a dataset.

        Raises:
            UserError: the baseline is for another task or for other data.
        """
        needed = config.baseline.task
        if config.task.kind != needed:
            raise UserError(
                f"'task.kind' must be {needed!r} for the baseline {config.baseline.kind!r}. "
                f"Got {config.task.kind!r}. `seqlab list baselines` shows others."
            )
        self.config, self.dataset = config, dataset
        self.task = config.task.build(dataset)
        check_metrics(self.task.metrics, self.task, self.spec.outputs, dataset.splits)
        config.baseline.check(self.context, dataset.splits["train"])

    @property
    def context(self) -> FitContext:
        """What the baseline knows besides the texts it is fitted on."""
        return FitContext(self.config.data, self.dataset.tokenizer, self.dataset.labels)

    @property
    @override
    def matmul(self) -> str:
        return "none"

    def fit(self) -> Baseline:
        """The baseline fitted on the training split."""
        return self.config.baseline.fit(self.context, self.dataset.splits["train"])

    @override
    def count(self) -> list[LayerCount]:
        # Its numbers depend on the data, so it is fitted to be counted.
        parts = self.fit().parameters()
        return [LayerCount(name, "", "", number, {}, {}) for name, number in parts.items()]


def baseline_experiment(
    config: BaselineExperimentConfig,
    dataset: Dataset,
    device: torch.device,
    matmul: str | None,
    folder: Path | None,
) -> BaselineExperiment:
    """See `seqlab.experiment.experiment.build`; a baseline has no use for anything but its data."""
    return BaselineExperiment(config, dataset)
