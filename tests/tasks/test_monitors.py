"""The metrics that pick checkpoints have the units of their records."""

from __future__ import annotations

from typing import get_args

import pytest
import torch

from seqlab.measure.metric import Scored
from seqlab.measure.metric_kinds import METRICS
from seqlab.schema.records import Scalar
from seqlab.tasks.monitors import monitor_of
from seqlab.tasks.task_configs import ClassifyConfig, LanguageModelConfig, RegressConfig

# The first type of each has the names; the other one is a metric of one's own.
CHOICES = {
    name
    for config in (ClassifyConfig, LanguageModelConfig, RegressConfig)
    for name in get_args(get_args(config.model_fields["monitor"].annotation)[0])
}


@pytest.mark.parametrize("name", sorted(CHOICES))
@pytest.mark.parametrize("unit", ["text", "token"])
def test_a_monitor_has_the_unit_of_its_record(name: str, unit: str) -> None:
    classes = name != "mse"
    metric = METRICS[name](unit, ("no", "yes"))
    metric.update(
        Scored(
            nats=torch.tensor([0.5, 0.25]),
            logits=torch.tensor([[1.0, 0.0], [0.0, 1.0]]) if classes else torch.tensor([[1.0], [0.0]]),
            targets=torch.tensor([0, 1]) if classes else torch.tensor([0.5, 1.0]),
            positions=torch.tensor([0, 0]),
        )
    )
    (record,) = metric.records("valid")
    assert isinstance(record, Scalar)
    assert (record.name, record.unit) == (name, monitor_of(name, unit).unit)


def test_a_metric_that_is_named_twice_is_measured_once() -> None:
    assert ClassifyConfig(metrics=("accuracy", "loss", "accuracy")).metrics == ("accuracy", "loss")
    assert LanguageModelConfig(metrics=("loss", "perplexity", "loss")).metrics == ("loss", "perplexity")
    assert RegressConfig(metrics=("mse", "mse")).metrics == ("mse",)
