"""Tasks whose targets are among V outputs. Legend: N targets, H features, V outputs."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from seqlab.nn.fused_head import CrossEntropyHead, fused_loss
from seqlab.tasks.task import Task

_WITH_FLOAT64 = ("cpu", "cuda")
"""Devices that can sum in float64, as the fused loss does."""


class CrossEntropyTask(Task, ABC):
    """The loss of a target is -log of the probability that the model gives it.

    `label_smoothing` is the share of a target's probability spread over all outputs in training.
    `class_weights` multiply the training loss of the targets of each output; None is 1 for all.
    """

    label_smoothing: float = 0.0
    class_weights: Tensor | None = None

    def loss(
        self, head: nn.Module, features: Float[Tensor, "N H"], targets: Int[Tensor, " N"]
    ) -> tuple[Float[Tensor, ""], int]:
        """Summed training loss and number of targets; see `Task.loss`.

        With class weights w, target y and smoothing s over V outputs: the sum over targets of
        (1 - s) w[y] nats(y) + s / V sum_v w[v] nats(v). The number is that of the targets, not the sum of
        their weights. Where all targets have the same weight and the head allows it, head and loss are one
        operation, which can be differentiated once; see `fused_loss`.
        """
        unweighted = self.class_weights is None and features.device.type in _WITH_FLOAT64
        fused = fused_loss(head) if unweighted and torch.is_grad_enabled() else None
        if fused is not None:
            smoothing, matmul = self.label_smoothing, self.matmul
            total = fused(features=features, targets=targets, label_smoothing=smoothing, matmul=matmul)
            return total, targets.numel()
        logits = head(features)
        weights = None if self.class_weights is None else self.class_weights.to(logits)
        total = functional.cross_entropy(
            logits, targets, weights, reduction="sum", label_smoothing=self.label_smoothing
        )
        return total, targets.numel()

    @torch.no_grad()
    def scores(
        self,
        head: nn.Module,
        features: Float[Tensor, "N H"],
        targets: Int[Tensor, " N"],
        *,
        outputs: bool = True,
    ) -> tuple[Float[Tensor, " N"], Float[Tensor, "N V"]]:
        """Nats and logits of each target, never smoothed or weighted; see `Task.scores`."""
        if not outputs and isinstance(head, CrossEntropyHead):
            return head.nats(features, targets), features.new_empty(len(targets), 0)
        logits = head(features)
        return functional.cross_entropy(logits.float(), targets, reduction="none"), logits

    def least_loss(self, targets: Sequence[int | float], outputs: int) -> float:
        """The entropy of the targets, smoothed as in training; see `Task.least_loss`."""
        ids = torch.tensor(targets, dtype=torch.int64)
        share = torch.bincount(ids, minlength=outputs).double() / len(targets)
        smoothing = self.label_smoothing
        return torch.special.entr(share * (1 - smoothing) + smoothing / outputs).sum().item()
