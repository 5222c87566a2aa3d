"""The state of a study's runs: their folders know which ones finished, the study's events the rest."""

from __future__ import annotations

from collections.abc import Sequence

from seqlab.comparison.study_cells import TrialRun
from seqlab.experiment.experiment_config import parse_experiment
from seqlab.runs.study_records import Trial
from seqlab.schema.errors import InUseError, UserError
from seqlab.schema.metric_spec import MetricSpec
from seqlab.studies.search_trial import SearchTrial, TrialState


def state(run: TrialRun) -> TrialState:
    """The state of a run; an unfinished one that nothing happened to is open."""
    if run.folder is not None and run.folder.finished:
        return "finished"
    # A finished run whose folder was deleted has to be trained again.
    if run.event is None or run.event.state == "finished":
        return "open"
    return run.event.state


def is_in_use(run: TrialRun) -> bool:
    """Whether another process works in the folder of a run."""
    if run.folder is None:
        return False
    try:
        with run.folder.lock():
            return False
    except InUseError:
        return True


def search_trial(run: TrialRun, monitor: MetricSpec) -> SearchTrial:
    """A run as the search sees it."""
    value = None if run.summary is None else run.summary["metrics"].get(monitor.name)
    return SearchTrial(
        setting=run.trial.setting, state=state(run), value=value, curve=run.course(monitor.name)
    )


def monitor_of(trial: Trial) -> MetricSpec:
    """The metric that picks the best checkpoint of a run."""
    return parse_experiment(trial.config).monitor


def missing(runs: Sequence[TrialRun]) -> list[TrialRun]:
    """Runs that finished and whose folder no longer exists."""
    return [run for run in runs if run.event is not None and run.event.state == "finished" != state(run)]


def check_readable(runs: Sequence[TrialRun]) -> None:
    """Make sure that the results of every finished run can be read.

    Raises:
        UserError: a folder is damaged.
    """
    for run in runs:
        try:
            run.summary  # noqa: B018  # reading it is what checks it
        except UserError as error:
            raise UserError(f"Run {run.trial.number}: {error} Delete the folder to train it again.") from None
