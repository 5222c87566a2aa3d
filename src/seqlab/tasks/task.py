"""The protocol of a task. Legend: B rows, T steps, H features, V outputs, N targets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from seqlab.data.batch import Batch
from seqlab.data.batching import Batching
from seqlab.data.dataset import Dataset, Split
from seqlab.nn.fused_head import linear_cross_entropy
from seqlab.nn.products import TORCH, Products
from seqlab.tasks.goal import Goal

_WITH_FLOAT64 = ("cpu", "cuda")
"""Devices that can sum in float64, as the fused loss does."""


class Task(ABC):
    """Turns a dataset into batches with targets, and features into a loss.

    `unit` names what one target is ("token", "text"); `metrics` are keys of `seqlab.measure`. `labels`
    are the names of the outputs, () where they are tokens. `class_weights` multiply the training loss of
    the targets of each output; None is 1 for all. `products` multiply the matrices of a fused loss.
    """

    unit: str
    metrics: tuple[str, ...]
    goal: Goal
    label_smoothing: float = 0.0
    labels: tuple[str, ...] = ()
    class_weights: Tensor | None = None
    products: Products = TORCH

    @abstractmethod
    def outputs(self, dataset: Dataset) -> int:
        """Size of the head's output: classes, or tokens that can be predicted."""

    @abstractmethod
    def batches(self, split: Split, batching: Batching, seed: int | None) -> Sequence[Batch]:
        """The batches of one pass over a split, by position, so that a pass can go on anywhere.

        Args:
            split: the data; every target of it occurs exactly once.
            batching: how rows are cut and grouped.
            seed: fixes the shuffled order; None keeps the data's order (evaluation).
        """

    def loss(
        self,
        head: nn.Module,
        features: Float[Tensor, "*N H"],
        targets: Int[Tensor, "*N"],
        mask: Bool[Tensor, "*N"],
    ) -> tuple[Float[Tensor, ""], int]:
        """Summed training loss in nats over the targets the mask keeps, and their number.

        With class weights w, target y and smoothing s over V outputs: the sum over targets of
        (1 - s) w[y] nats(y) + s / V sum_v w[v] nats(v). The number is that of the targets, not the sum of
        their weights. Where the head is linear and targets weigh the same, head and loss are one operation,
        which can be differentiated once.
        """
        if bool(mask.all()):
            features, targets = features.flatten(0, -2), targets.flatten()
        else:
            features, targets = features[mask], targets[mask]
        alike = self.class_weights is None and features.device.type in _WITH_FLOAT64
        if type(head) is nn.Linear and alike and torch.is_grad_enabled():
            smoothing, products = self.label_smoothing, self.products
            total = linear_cross_entropy(
                features, head.weight, head.bias, targets, label_smoothing=smoothing, products=products
            )
            return total, targets.numel()
        logits = head(features)
        weights = None if self.class_weights is None else self.class_weights.to(logits)
        total = functional.cross_entropy(
            logits, targets, weights, reduction="sum", label_smoothing=self.label_smoothing
        )
        return total, targets.numel()

    @torch.no_grad()
    def scores(
        self, head: nn.Module, features: Float[Tensor, "*N H"], targets: Int[Tensor, "*N"]
    ) -> tuple[Float[Tensor, "*N"], Float[Tensor, "*N V"]]:
        """For evaluation: nats of each target (never smoothed or weighted), and the logits."""
        logits = head(features)
        nats = functional.cross_entropy(logits.flatten(0, -2).float(), targets.flatten(), reduction="none")
        return nats.view(targets.shape), logits
