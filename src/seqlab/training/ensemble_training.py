"""Fitting an ensemble: its members are finished, so it is only scored. A killed one starts from scratch."""

from __future__ import annotations

from seqlab.evaluate.fitted_ensemble import fitted_ensemble
from seqlab.experiment.ensemble_experiment import EnsembleExperiment
from seqlab.runs.ensemble_record import keep_members
from seqlab.runs.run_folder import RunFolder
from seqlab.runs.run_shapes import RunSummary
from seqlab.training.callback import RunCallback
from seqlab.training.finish import Ending, finish
from seqlab.training.recorder import Recorder


def fit(experiment: EnsembleExperiment, run: RunFolder, callback: RunCallback) -> RunSummary:
    """Keep the weights of the members, and score them together; returns the summary of the run.

    Parameters and seconds are the sums of those of the members, memory is the largest.
    """
    callback.message(f"Run folder: {run.path}")
    fitted = fitted_ensemble(experiment)
    if experiment.config.fits_weights:
        callback.message("Fitting: the weight of each member, on the validation split.")
    keep_members(run, experiment.members, fitted.fit(callback.scored))
    summaries = [member.summary() for member in experiment.members]
    ending = Ending(
        stopped=f"combined {len(summaries)} runs; parameters and seconds of training are their sums",
        moment=fitted.moment,
        best_step=0,
        parameters=sum(each["parameters"] for each in summaries),
        seconds=sum(each["cost"]["training_seconds"] for each in summaries),
        least_memory_mib=max(each["cost"]["peak_memory_mib"] for each in summaries),
    )
    recorder = Recorder(run, {})
    try:
        callback.message("Scoring: every target, once, with each member.")
        return finish(run, fitted, recorder, ending, progress=callback.scored)
    finally:
        recorder.close()
