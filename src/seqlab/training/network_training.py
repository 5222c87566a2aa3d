"""A network's experiment: trained in steps, resumed from checkpoints, scored by its best one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import torch
from typing_extensions import override

from seqlab.data.dataset import Dataset
from seqlab.data.tokenizers.tokenizer import Tokenizer
from seqlab.evaluate import diagnose as diagnosis
from seqlab.evaluate.card import numbers, write_card
from seqlab.evaluate.oracle_check import write_oracle_card
from seqlab.evaluate.scoring import score_exactly, scoring_pass, write_samples
from seqlab.experiment.experiment_config import ExperimentConfig
from seqlab.experiment.matmul_choice import choose, chosen
from seqlab.experiment.network_experiment import Experiment, build
from seqlab.measure.diagnosis import Diagnosis
from seqlab.measure.item_collector import SplitResult
from seqlab.models.layer_counts import LayerCount, layer_counts
from seqlab.models.model import SequenceModel
from seqlab.runs import checkpoints
from seqlab.runs.run_folder import RunFolder
from seqlab.runs.run_shapes import RunSummary, monitor_entry
from seqlab.schema.records import Moment
from seqlab.training import checkpoint
from seqlab.training.finish import cost, final
from seqlab.training.interrupt import StopRequest, catch_signals
from seqlab.training.loop import Loop, RunCallback
from seqlab.training.way import Scorer, Told, Way, Work


class NetworkWay(Way):
    """See `Way`."""

    def __init__(self, config: ExperimentConfig):
        self.config = config

    @override
    def prepare(self, dataset: Dataset, place: torch.device, matmul: str | None) -> Work:
        setting, threads = self.config.training.matmul, torch.get_num_threads()
        found = chosen(matmul) if matmul else choose(setting, device=place.type, threads=threads)
        experiment = build(self.config, dataset, place, found)
        diagnosis.check(experiment)
        return _NetworkWork(experiment, found.name)

    @override
    def scorer(self, run: RunFolder, dataset: Dataset, place: torch.device) -> Scorer:
        experiment = build(self.config, dataset, place)
        best = checkpoint.best_checkpoint(run)
        counters = checkpoint.load_model(run, best, experiment.model)["progress"]
        moment = Moment(step=counters["step"], epoch=float(counters["epoch"]), tokens=counters["tokens"])
        return _NetworkScorer(experiment, moment)

    @override
    def load(
        self, run: RunFolder, tokenizer: Tokenizer, outputs: int, labels: tuple[str, ...]
    ) -> tuple[SequenceModel, int]:
        model = self.config.model.build(
            vocabulary=len(tokenizer.vocabulary),
            outputs=outputs,
            generator=torch.Generator(),
            numbers=tokenizer.vocabulary.numbers,
        )
        counters = checkpoint.load_model(run, checkpoint.best_checkpoint(run), model)
        return model.eval(), counters["progress"]["step"]

    @override
    def count(self, dataset: Dataset) -> list[LayerCount]:
        return layer_counts(build(self.config, dataset, torch.device("cpu")).model)


class _NetworkScorer(Scorer):
    def __init__(self, experiment: Experiment, moment: Moment):
        self.config, self.dataset, self.task = experiment.config, experiment.dataset, experiment.task
        self.seed, self.moment, self._experiment = experiment.config.seed, moment, experiment
        training = experiment.config.training
        self.budget = {key: getattr(training, key) for key in ("epochs", "max_steps", "result")}

    def score(self, split: str, metrics: Sequence[str], progress: Told | None = None) -> SplitResult:
        return score_exactly(self._experiment, split, metrics, progress=progress)

    def context(self, split: str) -> str:
        return scoring_pass(self._experiment, self.dataset.splits[split], rows=1).context

    def diagnose(self, kinds: Sequence[str], split: str, rows: int | None) -> dict[str, Diagnosis]:
        return diagnosis.diagnose(self._experiment, kinds, split, rows)


class _NetworkWork(Work):
    def __init__(self, experiment: Experiment, matmul: str):
        self._experiment, self.matmul = experiment, matmul
        self.outputs = experiment.task.outputs(experiment.dataset)

    def carry_out(self, run: RunFolder, listener: RunCallback) -> RunSummary:
        listener.message(f"Run folder: {run.path}")
        for note in self._experiment.notes:
            listener.message(f"Note: {note}")
        with catch_signals() as wish:
            loop = Loop(self._experiment, run, listener, wish)
            try:
                loop.fit()
                return _finish(run, loop, wish)
            finally:
                loop.recorder.close()


def _finish(run: RunFolder, loop: Loop, wish: StopRequest) -> RunSummary:
    """Score the best checkpoint exactly, write its card and samples, and mark the run as finished."""
    experiment, progress = loop.experiment, loop.progress
    began = time.monotonic()
    checkpoint.load_model(run, checkpoint.best_checkpoint(run), experiment.model)
    step = progress.best_step if progress.best_step is not None else progress.step
    moment = Moment(step=step, epoch=progress.moment.epoch, tokens=progress.tokens)
    scorer, exact = _NetworkScorer(experiment, moment), None
    if "valid" in experiment.dataset.splits:
        loop.listener.message("Scoring the best checkpoint: every target, once.")
        exact = scorer.score("valid", experiment.task.metrics, _told(loop.listener, wish))
        loop.recorder.record(write_samples(experiment, "final_sample", progress.step), progress.moment)
    records = [] if exact is None else exact.records
    loop.recorder.record([final(record) for record in records], progress.moment)
    if exact is not None:
        write_card(run, scorer, "valid", exact)
    if loop.check is not None:
        found = write_oracle_card(run, loop.check, loss=numbers(records)["loss"], step=step)
        loop.recorder.record(found, progress.moment)
    loop.recorder.sync()
    checkpoints.prune(run.checkpoints, 1, progress.best_step)
    summary: RunSummary = {
        "run": str(run.path),
        "stopped": progress.stopped,
        "metrics": numbers(records),
        "monitor": monitor_entry(experiment.task.monitor),
        "best_step": step,
        "steps": progress.step,
        "epochs": progress.moment.epoch,
        "tokens": progress.tokens,
        "parameters": sum(parameter.numel() for parameter in experiment.model.parameters()),
        "cost": cost(
            run,
            tokens=progress.tokens,
            training_seconds=progress.seconds,
            evaluation_seconds=time.monotonic() - began,
        ),
    }
    run.finish(summary)
    return summary


def _told(listener: RunCallback, wish: StopRequest) -> Callable[[int, int], None]:
    """What scoring calls after each batch: show it, and stop if asked to."""

    def told(done: int, total: int) -> None:
        listener.scored(done, total)
        wish.heed()

    return told
