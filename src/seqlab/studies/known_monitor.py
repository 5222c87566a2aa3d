"""Whether the metric that a study is compared by will be known of its runs, found before the first one."""

from __future__ import annotations

from collections.abc import Mapping

from seqlab.comparison.oracle_metrics import OF_SAMPLES, oracle_metric
from seqlab.experiment.experiment_config import ExperimentConfig
from seqlab.schema.config import canonical, plain
from seqlab.schema.errors import UserError
from seqlab.schema.metric_spec import MetricSpec
from seqlab.studies.axes import EPOCHS
from seqlab.studies.design import Design


def check_monitor(design: Design) -> None:
    """Make sure that every run will have the metric that the study names, or that all monitor the same one.

    Likewise the loss, where it has a limit, and a validation split, where epochs are an axis.

    Raises:
        UserError: a run would not have it; the setting that prevents it is named.
    """
    _check_limit(design)
    _check_validated(design)
    metric = oracle_metric(plain(design.config))
    if metric is None:
        _check_same(design)
        return
    for config in _different(design).values():
        lacking = _lacking(config, metric.name)
        if lacking:
            raise UserError(
                "'monitor' must be a metric that every run of the study has. "
                f"Got {metric.name!r}, but {lacking}."
            )


def _check_limit(design: Design) -> None:
    if design.config.loss_limit is None:
        return
    for architecture in design.architectures:
        metrics = design.example(architecture).task.metrics
        if "loss" not in metrics:
            raise UserError(
                "'loss_limit' needs the metric 'loss' of every run. "
                f"Got task.metrics={','.join(metrics)}. Nearest: task.metrics=loss,{','.join(metrics)}."
            )


def _check_validated(design: Design) -> None:
    """A cell of an axis of epochs is a validation of a run that trains on."""
    if not any(axis.key == EPOCHS for axis in design.setting_axes):
        return
    config = design.example(design.architectures[0])
    if "valid" not in config.dataset().splits:
        fit_on = config.training.fit_on
        got = f"'training.fit_on' is {fit_on!r}" if fit_on != "train" else "data without a split 'valid'"
        raise UserError(
            f"Axis {EPOCHS!r} needs a validation split, on which each of its cells is measured. Got {got}."
        )


def _check_same(design: Design) -> None:
    monitors: dict[str, MetricSpec] = {}
    for architecture in design.architectures:
        monitor = design.example(architecture).monitor
        monitors.setdefault(monitor.name, monitor)
    if len(monitors) > 1:
        raise UserError(
            "The runs of a study must monitor the same metric, which they are compared by. "
            f"Got {' and '.join(map(repr, monitors))}. Nearest: a study for each of them."
        )


def _different(design: Design) -> Mapping[str, ExperimentConfig]:
    """One experiment for each combination of data, task and samples that a single axis leads to."""
    configs = (design.experiment(setting, design.config.seeds[0]) for setting in design.single_settings())
    return {
        " ".join(map(canonical, (config.data, config.task, config.samples))): config for config in configs
    }


def _lacking(config: ExperimentConfig, metric: str) -> str:
    """What a run lacks for an oracle metric; empty where it will have it."""
    if metric in OF_SAMPLES and not config.samples.checked_at_end:
        return "'samples.checked_at_end' is 0"
    dataset = config.dataset()
    if "valid" not in dataset.splits:
        return f"'training.fit_on' is {config.training.fit_on!r}, which leaves no validation split"
    oracle = config.data.oracle(dataset.tokenizer)
    if oracle is None or config.task.build(dataset).output != "text":
        return f"the true distribution is not known of the data {config.data.kind!r}"
    if metric == "accepted_longer" and "longer" not in dataset.splits:
        return "'data.longer_max_length' is none, so that there is no split of longer texts"
    return ""
