"""Fitting a baseline: at once. One that was killed starts from scratch."""

from __future__ import annotations

import time

import torch

from seqlab.baselines.baseline import Baseline
from seqlab.evaluate.fitted_baseline import FittedBaseline
from seqlab.evaluate.weights import save_tensors
from seqlab.experiment.baseline_experiment import BaselineExperiment
from seqlab.runs import atomic, checkpoints
from seqlab.runs.run_folder import RunFolder
from seqlab.runs.run_shapes import RunSummary
from seqlab.training.callback import RunCallback
from seqlab.training.finish import Ending, finish
from seqlab.training.recorder import Recorder


def fit(experiment: BaselineExperiment, run: RunFolder, callback: RunCallback) -> RunSummary:
    """Fit a baseline; returns the summary of the run."""
    callback.message(f"Run folder: {run.path}")
    callback.message(f"Fitting: {experiment.config.baseline.kind}")
    began = time.monotonic()
    baseline = experiment.fit()
    seconds = time.monotonic() - began
    _keep(run, baseline)
    fitted = FittedBaseline(experiment, baseline)
    moment, parameters = fitted.moment, fitted.parameters
    ending = Ending(stopped="fitted", moment=moment, best_step=0, parameters=parameters, seconds=seconds)
    recorder = Recorder(run, {})
    try:
        speed = moment.tokens / max(seconds, 1e-9)
        recorder.timing(moment, seconds=seconds, tokens_per_second=speed)
        callback.message("Scoring: every target, once.")
        return finish(run, fitted, recorder, ending, progress=callback.scored)
    finally:
        recorder.close()


def _keep(run: RunFolder, baseline: Baseline) -> None:
    """Write what was fitted in place of what a killed process may have left."""
    for old in checkpoints.checkpoints(run.checkpoints):
        atomic.remove(old)
    with checkpoints.new_checkpoint(run.checkpoints, 0, run.fingerprint) as path:
        tensors = {name: torch.from_numpy(array) for name, array in baseline.arrays().items()}
        save_tensors(tensors, path / checkpoints.BASELINE)
