"""An ensemble of finished runs: scored, and read back from its run folder. Legend: N texts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from typing_extensions import override

from seqlab.data.dataset import Dataset
from seqlab.data.tokenizers.tokenizer import Tokenizer
from seqlab.evaluate.adaptation import AdaptationConfig, no_adaptation
from seqlab.evaluate.combined import combine
from seqlab.evaluate.fitted import Fitted, Loader, ScoringProgress, loader, split_of
from seqlab.evaluate.loaded import read_config, read_dataset
from seqlab.evaluate.prediction import Floats
from seqlab.experiment.ensemble_experiment import EnsembleExperiment
from seqlab.experiment.experiment_config import EnsembleExperimentConfig
from seqlab.experiment.member_data import COMBINED, check_alike, data_of_experiment
from seqlab.measure.diagnosis import Diagnosis
from seqlab.measure.evaluate import tally
from seqlab.measure.item_collector import ItemCollector, SplitResult
from seqlab.measure.metric import Scored
from seqlab.models.input_spec import InputSpec
from seqlab.models.model import SequenceModel
from seqlab.runs.ensemble_record import check_members
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.errors import UserError
from seqlab.schema.records import Moment
from seqlab.stats.formatting import percent


class FittedEnsemble(Fitted):
    """The members of an ensemble, each with the data as it reads it; see `Fitted`."""

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
        self.budget = {"members": dict(self.config.members)}

    @override
    def score(
        self,
        split: str,
        metrics: Sequence[str],
        progress: ScoringProgress | None = None,
        *,
        outputs: bool = False,
    ) -> SplitResult:
        data = split_of(self.dataset, split)
        assert data.targets is not None, "checked when the task was built"
        targets, rows = torch.from_numpy(np.array(data.targets)), np.arange(len(data))
        combined = combine(self.config, [_outputs(member, split, progress) for member in self.members])
        nats, logits = self.task.scores(nn.Identity(), torch.from_numpy(combined), targets)
        # Tokens of the first member, whose data the ensemble has.
        lengths, positions = torch.from_numpy(data.text.lengths), torch.zeros(len(data), dtype=torch.int64)
        items = ItemCollector(rows, outputs=outputs)
        records = tally(
            [(torch.from_numpy(rows), Scored(nats, logits, targets, positions, lengths))],
            unit=self.task.unit,
            labels=self.task.labels,
            split=split,
            metrics=metrics,
            items=items,
        )
        return SplitResult(records, items.scores(), items.outputs())

    @property
    @override
    def has_positions(self) -> bool:
        return True

    @override
    def context(self, split: str) -> str:
        shares = tuple(self.config.members.values())
        weights = f", weighted {', '.join(map(percent, shares))}" if len(set(shares)) > 1 else ""
        return f"mean of the {COMBINED[self.task.output]} of {len(shares)} runs{weights}"

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


class EnsembleLoader(Loader):
    """See `Loader`."""

    def __init__(self, config: EnsembleExperimentConfig):
        self._config = config

    @override
    def fitted(self, run: RunFolder, dataset: Dataset, device: torch.device) -> FittedEnsemble:
        check_members(run)
        return FittedEnsemble(EnsembleExperiment(self._config, dataset, device, run.path.parent))

    @override
    def model(
        self,
        run: RunFolder,
        spec: InputSpec,
        tokenizer: Tokenizer,
        labels: tuple[str, ...],
    ) -> tuple[SequenceModel, int]:
        raise UserError(
            f"{run.path} must be the run of one model. Got an ensemble, which `seqlab predict` and `seqlab "
            f"evaluate` use as a whole. Nearest: one of its members, {', '.join(self._config.members)}."
        )


def _member(run: RunFolder, device: torch.device) -> Fitted:
    config = read_config(run)
    return loader(config).fitted(run, read_dataset(run, config), device)


def _outputs(member: Fitted, split: str, progress: ScoringProgress | None) -> Floats:
    """What a member answers to each text of a split."""
    outputs = member.score(split, ("loss",), progress, outputs=True).outputs
    assert outputs is not None, "texts have one target each"
    return outputs
