"""Metrics of the comparison with the true distribution, which a study can use as its monitor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seqlab.schema.metric_spec import MetricSpec

_SAMPLES, _TEXTS, _NATS = "fraction of samples", "fraction of texts", "nats per token"
ORACLE_METRICS: dict[str, MetricSpec] = {
    metric.name: metric
    for metric in (
        MetricSpec(name="above_floor", unit=_NATS, better="lower"),
        MetricSpec(name="divergence", unit=_NATS, better="lower"),
        MetricSpec(name="valid_samples", unit=_SAMPLES, better="higher"),
        MetricSpec(name="accepted", unit=_TEXTS, better="higher"),
        MetricSpec(name="accepted_longer", unit=_TEXTS, better="higher"),
    )
}
"""By the names of an oracle card's metrics."""

OF_SAMPLES = frozenset({"valid_samples"})
"""Those that are known where samples are checked at the end."""


def oracle_metric(about: Mapping[str, Any]) -> MetricSpec | None:
    """The metric that a study's settings name; None where they name none and the task's monitor counts."""
    name = about.get("monitor")
    return ORACLE_METRICS[name] if name else None
