"""The metrics that can pick the best checkpoint of a task; free of torch."""

from __future__ import annotations

from seqlab.schema import own_code
from seqlab.schema.metric_spec import MetricSpec
from seqlab.tasks.own_metric_spec import own_metric_spec


def monitor_of(metric: str, unit: str) -> MetricSpec:
    """A task's metric with its unit and direction: lower is better for an error, higher for anything else.

    Args:
        metric: key of a metric that is one number; code of one's own says itself which values are better.
        unit: what one target of the task is, "token" or "text".

    >>> monitor_of("loss", "token")
    MetricSpec(name='loss', unit='nats per token', better='lower')
    >>> monitor_of("accuracy", "text").unit, monitor_of("mse", "text").better
    ('fraction of texts', 'lower')
    """
    if own_code.names_code(metric):
        return own_metric_spec(own_code.load(metric))
    # Equal to the units of the metrics' records, which a test checks: this module must not need torch.
    units = {
        "loss": f"nats per {unit}",
        "bits_per_character": "bits per character",
        "mse": "squared error",
        "accuracy": f"fraction of {unit}s",
        "macro_f1": f"fraction, mean over classes of {unit}s",
        "auc": f"fraction of pairs of {unit}s",
    }
    better = "lower" if metric in ("loss", "bits_per_character", "mse") else "higher"
    return MetricSpec(name=metric, unit=units[metric], better=better)
