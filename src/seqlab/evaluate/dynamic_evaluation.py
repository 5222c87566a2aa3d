"""Steps of gradient descent on a text while it is scored; the equations are in `DynamicConfig`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqlab.data.batches import Batches
from seqlab.evaluate.adaptation import EPSILON, DynamicConfig
from seqlab.evaluate.fitted import ScoringProgress
from seqlab.models.model import SequenceModel, State
from seqlab.models.modes import device_of
from seqlab.schema.errors import UserError
from seqlab.tasks.task import Task

STATISTICS_TOKENS = 200_000
"""Tokens of the training split over whose batches squares of gradients are averaged, if there are."""


@dataclass(frozen=True)
class WindowScores:
    """What a model computed of a window: features (N, H), targets (N,), and the state after it."""

    features: Float[Tensor, "N H"]
    targets: Int[Tensor, " N"]
    state: State | None


def read_window(model: SequenceModel, batches: Batches, index: int, state: State | None) -> WindowScores:
    """The features of the targets that count in a batch; its state is detached, or None if it is not carried.

    The graph is kept where gradients are enabled.
    """
    batch, counted = batches[index].to(device_of(model)), batches.counted(index)
    mask = batch.target_mask if counted is None else batch.target_mask & counted.to(device_of(model))
    features, after = model.features(batch, state)
    kept = after.detach() if batches.carried and after is not None else None
    return WindowScores(features[mask], batch.target_values[mask], kept)


class DynamicWeights:
    """The weights of a model that move while a text is scored.

    Args:
        model: whose parameters move.
        config: rule and rates.
        mean_squares: of the gradient of each parameter, for the rule rms; see `mean_squares`.
    """

    def __init__(self, model: nn.Module, config: DynamicConfig, mean_squares: Sequence[Tensor] | None):
        self._weights = list(model.parameters())
        self._trained = [weight.detach().clone() for weight in self._weights]
        self._rates: Sequence[Tensor | float] = [config.learning_rate] * len(self._weights)
        self._decays: Sequence[Tensor | float] = [config.decay] * len(self._weights)
        if mean_squares is not None:
            roots = [square.sqrt() for square in mean_squares]
            mean = sum(root.sum().item() for root in roots) / sum(root.numel() for root in roots)
            if not mean:
                raise UserError(
                    "The gradients of the training split must not all be 0 for the rule 'rms'. "
                    "Nearest: dynamic.rule=sgd."
                )
            self._decays = [(root * (config.decay / mean)).clamp_(max=1.0) for root in roots]
            self._rates = [config.learning_rate / (root + (config.epsilon or EPSILON)) for root in roots]
        self._decaying = config.decay > 0

    @torch.no_grad()
    def step(self) -> None:
        """Move by the gradients, which are consumed."""
        for weight, trained, rate, decay in zip(
            self._weights, self._trained, self._rates, self._decays, strict=True
        ):
            if self._decaying:
                weight.lerp_(trained, decay)
            if weight.grad is not None:
                # Of a scaled step only: `addcmul_` takes no number as a factor.
                if isinstance(rate, Tensor):
                    weight.addcmul_(weight.grad, rate, value=-1)
                else:
                    weight.sub_(weight.grad, alpha=rate)
                weight.grad = None

    @torch.no_grad()
    def restore(self) -> None:
        """The trained weights again."""
        for weight, trained in zip(self._weights, self._trained, strict=True):
            weight.copy_(trained)
            weight.grad = None


def learn(model: SequenceModel, task: Task, window: WindowScores) -> None:
    """Compute the gradients of the mean loss of a window."""
    total, count = task.loss(model.head, window.features, window.targets)
    (total / count).backward()


def mean_squares(
    model: SequenceModel, task: Task, batches: Batches, progress: ScoringProgress | None = None
) -> list[Tensor]:
    """The mean, over the first batches, of the squared gradient of each batch's mean loss, by parameter."""
    weights = list(model.parameters())
    sums = [torch.zeros_like(weight) for weight in weights]
    count = tokens = 0
    state = None
    while count < len(batches) and tokens < STATISTICS_TOKENS:
        window = read_window(model, batches, count, state)
        state = window.state
        count, tokens = count + 1, tokens + len(window.targets)
        learn(model, task, window)
        for total, weight in zip(sums, weights, strict=True):
            if weight.grad is not None:
                total.addcmul_(weight.grad, weight.grad)
                weight.grad = None
        if progress is not None:
            progress(min(tokens, STATISTICS_TOKENS), STATISTICS_TOKENS)
    return [total / count for total in sums]
