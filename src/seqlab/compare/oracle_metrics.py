"""What a study of data whose truth is known can be judged by, in place of its task's metric."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seqlab.schema.metric_spec import MetricSpec

_SAMPLES, _TEXTS, _NATS = "fraction of samples", "fraction of texts", "nats per token"
ORACLE_METRICS: dict[str, MetricSpec] = {
    one.name: one
    for one in (
        MetricSpec(name="above_floor", unit=_NATS, better="lower"),
        MetricSpec(name="divergence", unit=_NATS, better="lower"),
        MetricSpec(name="valid_samples", unit=_SAMPLES, better="higher"),
        MetricSpec(name="accepted", unit=_TEXTS, better="higher"),
        MetricSpec(name="accepted_longer", unit=_TEXTS, better="higher"),
    )
}
"""By the names of a truth card's metrics."""


def oracle_metric(about: Mapping[str, Any]) -> MetricSpec | None:
    """What a study's file names; None where it names nothing and the task's metric counts."""
    name = about.get("monitor")
    return ORACLE_METRICS[name] if name else None
