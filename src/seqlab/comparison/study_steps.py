"""The number of steps that the runs of a study took to succeed."""

from __future__ import annotations

from seqlab.comparison.study import Group, Study
from seqlab.comparison.study_cells import StudyCell
from seqlab.schema.metric_spec import MetricSpec
from seqlab.stats.censored import finite, ordered, quantile
from seqlab.stats.ties import reaches


def counts_steps(study: Study) -> bool:
    """Whether success is defined, and the monitor is measured at each validation, not only at the end."""
    groups = [*study.groups, *study.baselines]
    return study.about.get("success") is not None and any(
        _course(cell, study.monitor.name) for group in groups if not group.baseline for cell in group.cells
    )


def steps_to_success(group: Group, study: Study) -> float | None:
    """The median over seeds of the optimizer steps before the first validation that counts as a success.

    Runs that never succeeded count as longer than all others; None where the median is one of them.

    Raises:
        UserError: the folder of a run is damaged.
    """
    good, monitor = study.about["success"], study.monitor
    return finite(quantile(ordered([_first(cell, monitor, good) for cell in group.cells], "lower"), 0.5))


def _first(cell: StudyCell, monitor: MetricSpec, good: float) -> float | None:
    """The step of a run's first success; None where it had none."""
    successes = (step for step, value in _course(cell, monitor.name) if reaches(value, good, monitor))
    return next(successes, None)


def _course(cell: StudyCell, metric: str) -> list[tuple[int, float]]:
    """(step, value) of each validation up to the one that a cell's value is of."""
    return [
        (moment.step, value)
        for moment, value in cell.run.validations(metric)
        if cell.epochs is None or moment.epoch <= cell.epochs
    ]
