"""What became of a study's runs so far: their folders know who finished, the study's events the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from seqlab.compare.study_cells import TrialRun
from seqlab.experiment.experiment_config import parse_experiment
from seqlab.runs.study_folder import Trial
from seqlab.schema.errors import UserError
from seqlab.schema.metric_spec import MetricSpec
from seqlab.studies.search import Tried

Course = Sequence[tuple[float, float]]
"""(epoch, value of the monitor) of each validation."""


def state(one: TrialRun) -> Literal["open", "finished", "failed", "pruned"]:
    """What became of a run."""
    if one.folder is not None and one.folder.finished:
        return "finished"
    if one.event is None or one.event.state == "finished":
        return "open"
    return one.event.state


def tried(one: TrialRun, monitor: MetricSpec) -> Tried:
    """A run as the search sees it."""
    value = one.summary["metrics"].get(monitor.name) if one.summary else None
    return Tried(setting=one.trial.setting, state=state(one), value=value, course=one.course(monitor.name))


def monitor_of_trial(one: Trial) -> MetricSpec:
    """The metric that picks the best checkpoint of a run."""
    return parse_experiment(one.config).monitor


def gone(found: Sequence[TrialRun]) -> list[TrialRun]:
    """Runs that were finished and whose folder is not there any more."""
    return [one for one in found if one.event is not None and one.event.state == "finished" != state(one)]


def check_sound(found: Sequence[TrialRun]) -> None:
    """Make sure that the results of every finished run can be read.

    Raises:
        UserError: a folder is damaged.
    """
    for one in found:
        try:
            one.summary  # noqa: B018  # reading it is what checks it
        except UserError as error:
            raise UserError(f"Run {one.trial.number}: {error} Delete the folder to train it again.") from None
