"""An ensemble of finished runs: scored, and read back from its run folder. Legend: N texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import nn
from typing_extensions import override

from seqlab.data.dataset import Dataset
from seqlab.data.tokenizers.tokenizer import Tokenizer
from seqlab.evaluate.combined import combine
from seqlab.evaluate.fitted import Fitted, Loader, ScoringProgress, split_of
from seqlab.evaluate.fitted_mixture import FittedMixture
from seqlab.evaluate.member_ensemble import MemberEnsemble
from seqlab.evaluate.prediction import Floats
from seqlab.experiment.ensemble_experiment import EnsembleExperiment
from seqlab.experiment.experiment_config import EnsembleExperimentConfig
from seqlab.measure.evaluate import tally
from seqlab.measure.item_collector import ItemCollector, SplitResult
from seqlab.measure.metric import Scored
from seqlab.models.input_spec import InputSpec
from seqlab.models.model import SequenceModel
from seqlab.runs.ensemble_record import check_members, fitted_shares
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.errors import UserError


class FittedEnsemble(MemberEnsemble):
    """An ensemble of runs that give one answer for each text."""

    @override
    def fit(self, progress: ScoringProgress | None = None) -> Sequence[float] | None:
        return None

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
    def token_scores(
        self, split: str, *, outputs: bool, progress: ScoringProgress | None = None
    ) -> Iterator[Scored]:
        raise AssertionError("texts with one answer have no tokens to score")


class EnsembleLoader(Loader):
    """See `Loader`."""

    def __init__(self, config: EnsembleExperimentConfig):
        self._config = config

    @override
    def fitted(self, run: RunFolder, dataset: Dataset, device: torch.device) -> MemberEnsemble:
        check_members(run)
        experiment = EnsembleExperiment(self._config, dataset, device, run.path.parent)
        fitted = fitted_ensemble(experiment)
        if (shares := fitted_shares(run)) is not None:
            fitted.weigh(shares)
        return fitted

    @override
    def model(
        self,
        run: RunFolder,
        spec: InputSpec,
        tokenizer: Tokenizer,
        labels: tuple[str, ...],
    ) -> tuple[SequenceModel, int]:
        text = self._config.task.output == "text"
        users = "`seqlab evaluate` uses" if text else "`seqlab predict` and `seqlab evaluate` use"
        raise UserError(
            f"{run.path} must be the run of one model. Got an ensemble, which {users} as a whole. "
            f"Nearest: one of its members, {', '.join(self._config.members)}."
        )


def fitted_ensemble(experiment: EnsembleExperiment) -> FittedEnsemble | FittedMixture:
    """The members of an experiment, combined as its task requires, with the weights of its settings."""
    return FITTED[experiment.task.output](experiment)


FITTED: Mapping[str, type[FittedEnsemble | FittedMixture]] = {
    "class": FittedEnsemble,
    "number": FittedEnsemble,
    "text": FittedMixture,
}
"""By what a task predicts."""


def _outputs(member: Fitted, split: str, progress: ScoringProgress | None) -> Floats:
    """What a member answers to each text of a split."""
    outputs = member.score(split, ("loss",), progress, outputs=True).outputs
    assert outputs is not None, "texts have one target each"
    return outputs
