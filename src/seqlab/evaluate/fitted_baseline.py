"""A fitted baseline: scored, and read back from its run folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from safetensors.numpy import load_file
from typing_extensions import override

from seqlab.baselines.baseline import Baseline, FitContext, Integers, TargetScores
from seqlab.data.dataset import Dataset
from seqlab.data.tokenizers.tokenizer import Tokenizer
from seqlab.evaluate.adaptation import AdaptationConfig, no_adaptation
from seqlab.evaluate.baseline_model import BaselineModel
from seqlab.evaluate.fitted import Fitted, Loader, ScoringProgress, split_of
from seqlab.evaluate.weights import reading
from seqlab.experiment.baseline_experiment import BaselineExperiment
from seqlab.experiment.experiment_config import BaselineExperimentConfig
from seqlab.measure.diagnosis import Diagnosis
from seqlab.measure.evaluate import Piece, tally
from seqlab.measure.item_collector import ItemCollector, SplitResult
from seqlab.measure.metric import Scored
from seqlab.measure.metric_kinds import METRICS
from seqlab.models.input_spec import InputSpec
from seqlab.models.model import SequenceModel
from seqlab.runs import checkpoints
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.errors import UserError
from seqlab.schema.records import Moment


class FittedBaseline(Fitted):
    """A baseline with the data it was fitted on; see `Fitted`."""

    def __init__(self, experiment: BaselineExperiment, baseline: Baseline):
        self.config, self.dataset, self.task = experiment.config, experiment.dataset, experiment.task
        self.seed, self.baseline = None, baseline
        self.parameters = sum(baseline.parameters().values())
        # A baseline that fits nothing has not read anything either.
        tokens = int(self.dataset.splits["train"].text.offsets[-1]) if self.parameters else 0
        self.moment = Moment(step=0, epoch=float(self.parameters > 0), tokens=tokens)
        self.budget = {"epochs": 1, "max_steps": None, "result": "last"}

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
        self._check_positions(metrics)
        reads = {METRICS[key].reads for key in metrics}
        pieces = self._pieces(split, dense=outputs or "outputs" in reads, progress=progress)
        items = ItemCollector(None if data.running else np.arange(len(data)), outputs=outputs)
        unit, labels = self.task.unit, self.task.labels
        records = tally(pieces, unit=unit, labels=labels, split=split, metrics=metrics, items=items)
        return SplitResult(records, items.scores(), items.outputs())

    @override
    def token_scores(
        self, split: str, *, outputs: bool, progress: ScoringProgress | None = None
    ) -> Iterator[Scored]:
        split_of(self.dataset, split)
        for _, scored in self._pieces(split, dense=outputs, progress=progress):
            yield scored

    @property
    @override
    def has_positions(self) -> bool:
        return not self.dataset.running

    @override
    def context(self, split: str) -> str:
        return "1 stream, every token" if self.dataset.running else "whole sequences"

    @override
    def diagnose(self, kinds: Sequence[str], split: str, rows: int | None) -> dict[str, Diagnosis]:
        raise UserError("A diagnosis must be of a network's run. Got a baseline, which has no layers.")

    @override
    def adapted(
        self, config: AdaptationConfig, *, tune: bool, progress: ScoringProgress | None = None
    ) -> Fitted:
        raise no_adaptation("a baseline, which has no features and no gradient", "the run of a network")

    def _check_positions(self, metrics: Sequence[str]) -> None:
        for key in metrics:
            if METRICS[key].by_position and not self.has_positions:
                raise UserError(
                    f"Metric {key!r} must be of separate texts where the model is a baseline, which reads a "
                    f"running text without windows. Got the running text of {self.dataset.name!r}."
                )

    def _pieces(self, split: str, *, dense: bool, progress: ScoringProgress | None) -> Iterator[Piece]:
        data, done = self.dataset.splits[split], 0
        targets = np.ones(len(data), np.int64)
        if self.baseline.causal:
            targets = data.text.lengths + (0 if data.running else 1)
        rows, total = np.repeat(np.arange(len(data)), targets), int(targets.sum())
        for piece in self.baseline.score(data, dense=dense):
            part = rows[done : done + len(piece.nats)]
            yield torch.from_numpy(part), _scored(piece, data.text.lengths[part])
            done += len(piece.nats)
            if progress is not None:
                progress(done, total)


class BaselineLoader(Loader):
    """See `Loader`."""

    def __init__(self, config: BaselineExperimentConfig):
        self._config = config

    @override
    def fitted(self, run: RunFolder, dataset: Dataset, device: torch.device) -> FittedBaseline:
        experiment = BaselineExperiment(self._config, dataset)
        return FittedBaseline(experiment, _kept(run, self._config, experiment.context))

    @override
    def model(
        self,
        run: RunFolder,
        spec: InputSpec,
        tokenizer: Tokenizer,
        labels: tuple[str, ...],
    ) -> tuple[SequenceModel, int]:
        kept = _kept(run, self._config, FitContext(self._config.data, tokenizer, labels))
        return BaselineModel(kept).eval(), 0


def _kept(run: RunFolder, config: BaselineExperimentConfig, context: FitContext) -> Baseline:
    path = run.checkpoints / checkpoints.name(0)
    if not path.exists():
        raise UserError(f"{run.path} must have a fitted baseline. Got none; `seqlab resume` it first.")
    checkpoints.verify(path, run.fingerprint)
    with reading(path):
        return config.baseline.restore(context, load_file(path / checkpoints.BASELINE))


def _scored(piece: TargetScores, lengths: Integers) -> Scored:
    logits = piece.outputs
    return Scored(
        torch.from_numpy(piece.nats),
        torch.empty(len(piece.nats), 0) if logits is None else torch.from_numpy(logits),
        torch.from_numpy(piece.targets),
        torch.from_numpy(piece.positions),
        torch.from_numpy(lengths),
    )
