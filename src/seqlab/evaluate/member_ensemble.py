"""What ensembles of finished runs have in common: their members, and the weight of each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from typing_extensions import override

from seqlab.evaluate.adaptation import AdaptationConfig, no_adaptation
from seqlab.evaluate.fitted import Fitted, ScoringProgress, loader
from seqlab.evaluate.loaded import read_config, read_dataset
from seqlab.experiment.ensemble_experiment import EnsembleExperiment
from seqlab.experiment.member_data import COMBINED, check_alike, data_of_experiment
from seqlab.measure.diagnosis import Diagnosis
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.errors import UserError
from seqlab.schema.records import Moment
from seqlab.stats.formatting import percent


class MemberEnsemble(Fitted, ABC):
    """The members of an ensemble, each with the data as it reads it; see `Fitted`.

    shares: the weight of each member; they add up to 1.
    """

    def __init__(self, experiment: EnsembleExperiment):
        self.config, self.dataset, self.task = experiment.config, experiment.dataset, experiment.task
        self.members = [_member(run, experiment.device) for run in experiment.members]
        for run, member in zip(experiment.members, self.members, strict=True):
            # Of a split on which a member was never scored, only its data says which texts it has.
            found = data_of_experiment(run.path.name, member.config, member.dataset)
            check_alike([found, data_of_experiment("the data of the ensemble", self.config, self.dataset)])
        self.seed = None
        summaries = [run.summary() for run in experiment.members]
        self.moment = Moment(step=0, epoch=0.0, tokens=sum(each["tokens"] for each in summaries))
        self.weigh(tuple(self.config.members.values()))

    def weigh(self, shares: Sequence[float]) -> None:
        """Set the weight of each member; they add up to 1."""
        self.shares = tuple(shares)
        self.budget = {"members": dict(zip(self.config.members, self.shares, strict=True))}

    @abstractmethod
    def fit(self, progress: ScoringProgress | None = None) -> Sequence[float] | None:
        """Weigh the members so that the loss of the validation split is the least; returns the weights.

        None where the settings decide them.
        """

    @override
    def context(self, split: str) -> str:
        weights = f", weighted {', '.join(map(percent, self.shares))}" if len(set(self.shares)) > 1 else ""
        return f"mean of the {COMBINED[self.task.output]} of {len(self.shares)} runs{weights}"

    @override
    def diagnose(self, kinds: Sequence[str], split: str, rows: int | None) -> dict[str, Diagnosis]:
        raise UserError(
            "A diagnosis must be of a network's run. Got an ensemble, which has no layers of its own. "
            f"Nearest: one of its members, {', '.join(self.config.members)}."
        )

    @override
    def adapted(
        self, config: AdaptationConfig, *, tune: bool, progress: ScoringProgress | None = None
    ) -> Fitted:
        raise no_adaptation("an ensemble", f"one of its members, {', '.join(self.config.members)}")


def _member(run: RunFolder, device: torch.device) -> Fitted:
    config = read_config(run)
    return loader(config).fitted(run, read_dataset(run, config), device)
