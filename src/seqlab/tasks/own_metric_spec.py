"""Metrics of the user's own by name, with their unit and direction; free of torch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import AfterValidator

from seqlab.schema import own_code
from seqlab.schema.errors import in_quotes
from seqlab.schema.metric_spec import MetricSpec
from seqlab.schema.own_code import OwnCode, OwnCodeError
from seqlab.schema.visible import visible

_LONGEST_UNIT = 200


def metric_name(key: str) -> str:
    """The name of a metric in records: NAME of `FILE.py:NAME`, else the key itself.

    >>> metric_name("scores/mine.py:top2"), metric_name("loss")
    ('top2', 'loss')
    """
    return own_code.split(key)[1] if own_code.names_code(key) else key


def metric_key(name: str, metrics: Iterable[str]) -> str:
    """The metric of one's own that has a name, as `FILE.py:NAME`; the name itself where there is none."""
    return next((key for key in metrics if own_code.names_code(key) and metric_name(key) == name), name)


def own_metric_spec(code: OwnCode) -> MetricSpec:
    """What a metric's function or class says of itself: `better`, and `unit` where it has one.

    Raises:
        OwnCodeError: it does not say whether lower or higher values are better.
    """
    with code.errors("its 'better' and 'unit' were read"):
        better, unit = getattr(code.value, "better", None), getattr(code.value, "unit", code.name)
    if better not in ("lower", "higher"):
        raise OwnCodeError(
            f"{code.label} must say which values are better, by {code.name}.better = 'lower' or 'higher'. "
            f"Got {better!r}."
        )
    if not isinstance(unit, str) or not unit or visible(unit) != unit or len(unit) > _LONGEST_UNIT:
        raise OwnCodeError(
            f"{code.name}.unit of {code.label} must be a text that can be printed, of at most "
            f"{_LONGEST_UNIT} characters. Got {in_quotes(unit) if isinstance(unit, str) else repr(unit)}."
        )
    return MetricSpec(name=code.name, unit=unit, better=better)


def _own_monitor(value: str, info: Any) -> str:
    name, metrics = metric_name(value), (info.data or {}).get("metrics")
    # Without a task, as where a single setting is read, the metrics are not known yet.
    if metrics is not None and metric_key(name, metrics) == name:
        raise ValueError(f"must be a metric of your own that is one of {', '.join(metrics)}")
    return name


OwnMonitor = Annotated[str, AfterValidator(_own_monitor)]
"""The name of a metric of one's own among the `metrics` of a task; `FILE.py:NAME` is read as NAME."""
