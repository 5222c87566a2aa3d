"""Which metrics a run can be scored by: decided from its task and its data, before anything is scored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from seqlab.data.dataset import Split
from seqlab.measure.metric import Metric
from seqlab.measure.metric_kinds import METRICS
from seqlab.schema import own_code
from seqlab.schema.errors import UserError
from seqlab.schema.own_code import OwnCodeError
from seqlab.tasks.own_metric_spec import metric_name
from seqlab.tasks.task import Task

_PREDICTS = {"class": "a label", "number": "a number", "text": "tokens", "translation": "a translation"}
"""What a task predicts, by `Task.output`."""


def check_metrics(metrics: Iterable[str], task: Task, outputs: int, splits: Mapping[str, Split]) -> None:
    """Refuse metrics that are not defined for a task, or not on one of the splits.

    Args:
        metrics: keys of `METRICS`.
        task: what is predicted.
        outputs: of the head, see `InputSpec`.
        splits: what is scored.

    Raises:
        UserError: a metric is unknown, of another task, for fewer outputs, or for more different targets; or
            one of the user's own fails, or has the name of another.
    """
    metrics = tuple(metrics)
    _check_names(metrics)
    for key in metrics:
        metric: type[Metric] = METRICS[key]
        if task.output not in metric.outputs:
            raise UserError(
                f"A metric must be defined for what the task predicts, {_PREDICTS[task.output]}. "
                f"Got {key!r}. Known: {', '.join(_suitable(task, outputs))}."
            )
        if metric.most_outputs is not None and outputs > metric.most_outputs:
            raise UserError(
                f"Metric {key!r} needs at most {metric.most_outputs:,} outputs. Got {outputs:,}. "
                f"Leave it out: {_without(key, task, outputs)}"
            )
        if metric.of_characters and not task.of_characters:
            raise UserError(
                f"Metric {key!r} needs tokens that are single characters. Got tokens of another kind. "
                "Nearest: 'bits_per_token'."
            )
        metric.check(task.output, outputs)
        for name, split in splits.items():
            if metric.distinct_targets > 1 and _distinct(split) < metric.distinct_targets:
                raise UserError(
                    f"Metric {key!r} needs at least {metric.distinct_targets} different targets. "
                    f"Got {_only(task, split)} in all of {name!r}. "
                    f"Leave it out: {_without(key, task, outputs)}"
                )


def _check_names(metrics: Sequence[str]) -> None:
    """Check that a metric of the user's own has a name of its own: records know metrics by their names."""
    for key in filter(own_code.names_code, metrics):
        others = [*METRICS, *(metric_name(other) for other in metrics if other != key)]
        if metric_name(key) in others:
            raise OwnCodeError(
                f"{own_code.label(key)} must have a name that no other metric has. Got {metric_name(key)!r}."
            )


def _suitable(task: Task, outputs: int) -> list[str]:
    """The metrics that exist for a task and a number of outputs."""
    found: dict[str, type[Metric]] = {key: METRICS[key] for key in METRICS}
    return [
        key
        for key, metric in found.items()
        if task.output in metric.outputs
        and outputs <= (metric.most_outputs or outputs)
        and (task.of_characters or not metric.of_characters)
    ]


def _without(key: str, task: Task, outputs: int) -> str:
    """The settings of a task without a metric, and without others that do not fit either."""
    suitable = _suitable(task, outputs)
    metrics = [metric for metric in task.metrics if metric != key and metric in suitable] or ["loss"]
    kept = task.monitor.name in map(metric_name, metrics)
    return f"task.metrics={','.join(metrics)}{'' if kept else f' task.monitor={metrics[0]}'}"


def _distinct(split: Split) -> int:
    """Different targets of a split; of a text they are its tokens and, of one that ends, its end."""
    if split.targets is not None:
        return len(np.unique(split.targets))
    return len(np.unique(split.text.tokens)) + (not split.running)


def _only(task: Task, split: Split) -> str:
    return repr(task.labels[int(split.targets[0])]) if split.targets is not None and task.labels else "one"
