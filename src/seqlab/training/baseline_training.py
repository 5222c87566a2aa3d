"""A baseline's experiment: fitted at once, kept, scored. One that was killed starts anew."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from safetensors.numpy import load_file
from typing_extensions import override

from seqlab.baselines.baseline import Baseline, FitContext, TargetScores
from seqlab.data.dataset import Dataset
from seqlab.data.tokenizers.tokenizer import Tokenizer
from seqlab.evaluate.baseline_model import BaselineModel
from seqlab.evaluate.card import numbers, write_card
from seqlab.experiment.experiment_config import BaselineExperimentConfig
from seqlab.measure.diagnosis import Diagnosis
from seqlab.measure.evaluate import Piece, tally
from seqlab.measure.item_collector import ItemCollector, SplitResult
from seqlab.measure.metric import Scored
from seqlab.measure.metric_kinds import METRICS
from seqlab.models.layer_counts import LayerCount
from seqlab.models.model import SequenceModel
from seqlab.runs import checkpoints
from seqlab.runs.run_folder import RunFolder
from seqlab.runs.run_shapes import RunSummary, monitor_entry
from seqlab.schema.errors import UserError, unknown
from seqlab.schema.records import Moment
from seqlab.tasks.task import Task
from seqlab.training import checkpoint
from seqlab.training.finish import cost, final
from seqlab.training.loop import RunCallback
from seqlab.training.recorder import Recorder
from seqlab.training.way import Scorer, Told, Way, Work

PRODUCTS = "none"
"""A baseline has no output layer."""


class BaselineWay(Way):
    """See `Way`."""

    def __init__(self, config: BaselineExperimentConfig):
        """The way of these settings.

        Raises:
            UserError: the baseline is for another task.
        """
        self.config = config
        needed = config.baseline.task
        if config.task.kind != needed:
            raise UserError(
                f"'task.kind' must be {needed!r} for the baseline {config.baseline.kind!r}. "
                f"Got {config.task.kind!r}. `seqlab list baselines` shows others."
            )

    @override
    def prepare(self, dataset: Dataset, place: torch.device, matmul: str | None) -> Work:
        task = self.config.task.build(dataset)
        self.config.baseline.check(self._ground(dataset))
        return _BaselineWork(self, dataset, task)

    @override
    def scorer(self, run: RunFolder, dataset: Dataset, place: torch.device) -> Scorer:
        baseline = self._kept(run, self._ground(dataset))
        return BaselineScorer(self.config, dataset, self.config.task.build(dataset), baseline)

    @override
    def load(
        self, run: RunFolder, tokenizer: Tokenizer, outputs: int, labels: tuple[str, ...]
    ) -> tuple[SequenceModel, int]:
        return BaselineModel(self._kept(run, FitContext(self.config.data, tokenizer, labels))).eval(), 0

    def count(self, dataset: Dataset) -> list[LayerCount]:
        """See `Way.count`; the baseline is fitted to be counted."""
        parts = self.fit(dataset).parameters()
        return [LayerCount(name, "", "", number, {}, {}) for name, number in parts.items()]

    def fit(self, dataset: Dataset) -> Baseline:
        """The baseline fitted on the training split."""
        return self.config.baseline.fit(self._ground(dataset), dataset.splits["train"])

    def _ground(self, dataset: Dataset) -> FitContext:
        return FitContext(self.config.data, dataset.tokenizer, dataset.labels)

    def _kept(self, run: RunFolder, ground: FitContext) -> Baseline:
        path = run.checkpoints / checkpoints.name(0)
        if not path.exists():
            raise UserError(f"{run.path} must have a fitted baseline. Got none; `seqlab resume` it first.")
        checkpoints.verify(path, run.fingerprint)
        return self.config.baseline.restore(ground, load_file(path / checkpoints.BASELINE))


class BaselineScorer(Scorer):
    """See `Scorer`."""

    def __init__(self, config: BaselineExperimentConfig, dataset: Dataset, task: Task, baseline: Baseline):
        self.config, self.dataset, self.task, self.seed = config, dataset, task, None
        self.baseline = baseline
        self.parameters = sum(baseline.parameters().values())
        # What fits nothing has not read anything either.
        self.tokens = int(dataset.splits["train"].offsets[-1]) if self.parameters else 0
        self.moment = Moment(step=0, epoch=float(self.parameters > 0), tokens=self.tokens)
        self.budget = {"epochs": 1, "max_steps": None, "result": "last"}

    @override
    def score(self, split: str, metrics: Sequence[str], progress: Told | None = None) -> SplitResult:
        if split not in self.dataset.splits:
            raise unknown("split", split, self.dataset.splits)
        pieces = self._pieces(split, any(METRICS[key].reads_logits for key in metrics), progress)
        items = ItemCollector(None if self._running else np.arange(len(self.dataset.splits[split])))
        records = tally(
            pieces, unit=self.task.unit, labels=self.task.labels, split=split, metrics=metrics, items=items
        )
        return SplitResult(records, items.scores())

    @override
    def context(self, split: str) -> str:
        return "1 stream, every token" if self._running else "whole sequences"

    @override
    def diagnose(self, kinds: Sequence[str], split: str, rows: int | None) -> dict[str, Diagnosis]:
        raise UserError("A diagnosis must be of a network's run. Got a baseline, which has no layers.")

    @property
    def _running(self) -> bool:
        return self.baseline.causal and self.dataset.tokenizer.vocabulary.end is None

    def _pieces(self, split: str, dense: bool, progress: Told | None) -> Iterator[Piece]:
        data, done = self.dataset.splits[split], 0
        targets = np.ones(len(data), np.int64)
        if self.baseline.causal:
            targets = data.lengths + (0 if self._running else 1)
        rows, total = np.repeat(np.arange(len(data)), targets), int(targets.sum())
        for piece in self.baseline.score(data, dense=dense):
            yield torch.from_numpy(rows[done : done + len(piece.nats)]), _scored(piece)
            done += len(piece.nats)
            if progress is not None:
                progress(done, total)


class _BaselineWork(Work):
    def __init__(self, way: BaselineWay, dataset: Dataset, task: Task):
        self._way, self._dataset, self._task = way, dataset, task
        self.outputs, self.matmul = task.outputs(dataset), PRODUCTS
        for metric in task.metrics:
            METRICS[metric]  # an unknown one is refused now, not after the work

    def carry_out(self, run: RunFolder, listener: RunCallback) -> RunSummary:
        listener.message(f"Run folder: {run.path}")
        listener.message(f"Fitting: {self._way.config.baseline.kind}")
        began = time.monotonic()
        baseline = self._way.fit(self._dataset)
        seconds = time.monotonic() - began
        _keep(run, baseline)
        scorer = BaselineScorer(self._way.config, self._dataset, self._task, baseline)
        recorder = Recorder(run, {}, 0, tensorboard=False)
        try:
            return _finish(run, scorer, recorder, listener, seconds)
        finally:
            recorder.close()


def _finish(
    run: RunFolder, scorer: BaselineScorer, recorder: Recorder, listener: RunCallback, seconds: float
) -> RunSummary:
    """Score the validation split, write its card, and mark the run as finished; `seconds` went to fitting."""
    began, tokens = time.monotonic(), scorer.tokens
    recorder.timing(scorer.moment, seconds=seconds, tokens_per_second=tokens / max(seconds, 1e-9))
    exact: SplitResult | None = None
    if "valid" in scorer.dataset.splits:
        listener.message("Scoring: every target, once.")
        exact = scorer.score("valid", scorer.task.metrics, listener.scored)
        write_card(run, scorer, "valid", exact)
    records = [] if exact is None else exact.records
    recorder.record([final(record) for record in records], scorer.moment)
    recorder.sync()
    evaluation = time.monotonic() - began
    summary: RunSummary = {
        "run": str(run.path),
        "stopped": "fitted",
        "metrics": numbers(records),
        "monitor": monitor_entry(scorer.task.monitor),
        "best_step": 0,
        "steps": 0,
        "epochs": scorer.moment.epoch,
        "tokens": tokens,
        "parameters": scorer.parameters,
        "cost": cost(run, tokens=tokens, training_seconds=seconds, evaluation_seconds=evaluation),
    }
    run.finish(summary)
    return summary


def _keep(run: RunFolder, baseline: Baseline) -> None:
    """Write what was fitted in place of what a killed process may have left."""
    for old in checkpoints.checkpoints(run.checkpoints):
        shutil.rmtree(old)
    with checkpoints.new_checkpoint(run.checkpoints, 0, run.fingerprint) as path:
        tensors = {name: torch.from_numpy(array) for name, array in baseline.arrays().items()}
        checkpoint.save_tensors(tensors, path / checkpoints.BASELINE)


def _scored(piece: TargetScores) -> Scored:
    logits = piece.outputs
    return Scored(
        torch.from_numpy(piece.nats),
        torch.empty(len(piece.nats), 0) if logits is None else torch.from_numpy(logits),
        torch.from_numpy(piece.targets),
        torch.from_numpy(piece.positions),
    )
