"""An ensemble with its data and its members, ready to be scored."""

from __future__ import annotations

from pathlib import Path

import torch
from typing_extensions import override

from seqlab.data.dataset import Dataset
from seqlab.experiment.experiment import Experiment
from seqlab.experiment.experiment_config import EnsembleExperimentConfig
from seqlab.experiment.member_data import check_alike, check_combines, data_of_experiment, data_of_run
from seqlab.measure.suitable import check_metrics
from seqlab.models.layer_counts import LayerCount
from seqlab.runs.ensemble_record import open_member
from seqlab.schema.errors import UserError


class EnsembleExperiment(Experiment):
    """An ensemble has neither steps nor a seed; see `Experiment`.

    members: its finished runs. device: where their models live.
    """

    config: EnsembleExperimentConfig
    notes = ()

    def __init__(
        self,
        config: EnsembleExperimentConfig,
        dataset: Dataset,
        device: torch.device,
        folder: Path | None = None,
    ):
        """The experiment of these settings on a dataset, with members in a folder; None is that of all runs.

        Raises:
            UserError: a member is missing, unfinished, an ensemble, or for other texts or labels.
        """
        own = data_of_experiment("the data of the ensemble", config, dataset)
        check_combines(config.task, [own])
        if config.fits_weights and "valid" not in dataset.splits:
            raise UserError(
                "'ensemble.weights' must be given where there is no split 'valid' to fit them on. Got none."
            )
        self.config, self.dataset, self.device = config, dataset, device
        self.task = config.task.build(dataset)
        check_metrics(self.task.metrics, self.task, self.spec.outputs, dataset.splits)
        self.members = tuple(open_member(member, folder) for member in config.members)
        check_alike([*map(data_of_run, self.members), own])

    @property
    @override
    def matmul(self) -> str:
        return "none"

    @override
    def count(self) -> list[LayerCount]:
        parameters = {member.path.name: member.summary()["parameters"] for member in self.members}
        return [LayerCount(name, "", "", number, {}, {}) for name, number in parameters.items()]


def ensemble_experiment(
    config: EnsembleExperimentConfig,
    dataset: Dataset,
    device: torch.device,
    matmul: str | None,
    folder: Path | None,
) -> EnsembleExperiment:
    """See `seqlab.experiment.experiment.build`; an ensemble has no use for a matmul backend."""
    return EnsembleExperiment(config, dataset, device, folder)
