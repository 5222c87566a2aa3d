"""Fitting a network: trained in steps, resumed from checkpoints, scored by its best one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from seqlab.evaluate.card import numbers
from seqlab.evaluate.fitted_network import FittedNetwork
from seqlab.evaluate.generated_texts import generation_card
from seqlab.evaluate.oracle_check import write_oracle_card
from seqlab.evaluate.sampled_texts import write_samples
from seqlab.evaluate.weights import load_best
from seqlab.experiment import seeding
from seqlab.experiment.network_experiment import NetworkExperiment
from seqlab.models.modes import device_of
from seqlab.runs import checkpoints
from seqlab.runs.run_folder import RunFolder
from seqlab.runs.run_shapes import RunSummary
from seqlab.schema.code_settings import code_values
from seqlab.schema.records import Moment, Record
from seqlab.training.callback import RunCallback
from seqlab.training.finish import Ending, finish
from seqlab.training.interrupt import StopRequest, catch_signals
from seqlab.training.loop import Loop


def fit(experiment: NetworkExperiment, run: RunFolder, callback: RunCallback) -> RunSummary:
    """Train a network, or continue; returns the summary of the run."""
    callback.message(f"Run folder: {run.path}")
    for note in experiment.notes:
        callback.message(f"Note: {note}")
    with catch_signals() as stop_request, _global_generators(experiment):
        loop = Loop(experiment, run, callback, stop_request)
        try:
            loop.fit()
            return _finish(run, loop, stop_request)
        finally:
            loop.recorder.close()


@contextmanager
def _global_generators(experiment: NetworkExperiment) -> Iterator[None]:
    """Seed the global generators where the model may draw from them, and let checkpoints keep them."""
    if not code_values(experiment.config):
        yield
        return
    own = experiment.generators
    with seeding.global_generator(experiment.config.seed, device_of(experiment.model)) as generators:
        experiment.generators = {**own, **generators}
        try:
            yield
        finally:
            experiment.generators = own


def _finish(run: RunFolder, loop: Loop, stop_request: StopRequest) -> RunSummary:
    """Score the best checkpoint exactly, with its samples and the comparison with the true distribution."""
    experiment, progress = loop.experiment, loop.progress
    load_best(run, experiment.model)
    step = progress.best_step if progress.best_step is not None else progress.step
    moment = Moment(step=step, epoch=progress.moment.epoch, tokens=progress.tokens)

    def further(records: list[Record]) -> Iterator[Record]:
        if records:
            yield from write_samples(experiment, "final_sample", progress.step)
        if (card := generation_card(experiment, step)) is not None:
            run.write_generation_card(card)
        if loop.check is not None:
            yield from write_oracle_card(run, loop.check, loss=numbers(records)["loss"], step=step)
        checkpoints.prune(run.checkpoints, 1, progress.best_step)

    samples = 0 if loop.check is None else experiment.config.samples.checked_at_end
    further_work = f" Then {samples:,} samples are compared with the true distribution." if samples else ""
    loop.callback.message(f"Scoring the best checkpoint: every target, once.{further_work}")
    return finish(
        run,
        FittedNetwork(experiment, moment),
        loop.recorder,
        Ending(
            stopped=progress.stopped,
            moment=progress.moment,
            best_step=step,
            parameters=sum(parameter.numel() for parameter in experiment.model.parameters()),
            seconds=progress.seconds,
        ),
        progress=_scored(loop.callback, stop_request),
        further=further,
    )


def _scored(callback: RunCallback, stop_request: StopRequest) -> Callable[[int, int], None]:
    """What scoring calls after each batch: report it, and stop if that was requested."""

    def scored(done: int, total: int) -> None:
        callback.scored(done, total)
        stop_request.check()

    return scored
