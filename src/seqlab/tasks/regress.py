"""One number for each sequence."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from typing_extensions import override

from seqlab.data.batches import Batches
from seqlab.data.batching import Batching
from seqlab.data.dataset import Dataset, Split
from seqlab.models.input_spec import InputSpec
from seqlab.tasks.monitors import monitor_of
from seqlab.tasks.task import Task, input_spec

CONSTANT = math.log(2 * math.pi) / 2
"""Nats of a target that is predicted exactly."""


class RegressTask(Task):
    """Batches of sequences with one number each.

    The loss is -log of a normal density of variance 1 around the prediction p at the target y,
    (y - p)^2 / 2 + ln(2 pi) / 2: half the squared error, and a constant.
    """

    unit = "text"
    output = "number"

    def __init__(self, metrics: tuple[str, ...] = ("loss", "mse", "accuracy"), monitor: str = "mse"):
        self.metrics = metrics
        self.monitor = monitor_of(monitor, self.unit)

    @override
    def spec(self, dataset: Dataset) -> InputSpec:
        return input_spec(dataset, outputs=1, output=self.output)

    @override
    def batches(self, split: Split, batching: Batching, seed: int | None) -> Batches:
        return batching.labelled_batches(split, seed)

    @override
    def loss(
        self, head: nn.Module, features: Float[Tensor, "N H"], targets: Float[Tensor, " N"]
    ) -> tuple[Float[Tensor, ""], int]:
        return _nats(head(features)[:, 0], targets).sum(), len(targets)

    @torch.no_grad()
    @override
    def scores(
        self,
        head: nn.Module,
        features: Float[Tensor, "N H"],
        targets: Float[Tensor, " N"],
        *,
        outputs: bool = True,
    ) -> tuple[Float[Tensor, " N"], Float[Tensor, "N 1"]]:
        predicted = head(features)
        return _nats(predicted[:, 0].double(), targets), predicted

    def least_loss(self, targets: Sequence[int | float], outputs: int) -> float:
        """That of their mean; see `Task.least_loss`."""
        return statistics.pvariance(targets) / 2 + CONSTANT


def _nats(predicted: Float[Tensor, " N"], targets: Float[Tensor, " N"]) -> Float[Tensor, " N"]:
    return (targets.to(predicted) - predicted).square() / 2 + CONSTANT
