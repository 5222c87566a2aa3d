"""One training step: forward, loss, backward, clip and update, without redundant work."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from seqlab.data.batch import Batch
from seqlab.experiment.network_experiment import NetworkExperiment
from seqlab.models.model import State
from seqlab.schema.errors import UserError

_CLOSE = 1e-6
"""Added to the norm before dividing by it, as torch's own clipping does."""


@dataclass(frozen=True)
class StepResult:
    """The results of a step.

    nats: summed loss of its targets. targets: their number. norm: of the gradient of the objective, the mean
    loss with a penalty if the model has one, all parameters together, before clipping. state: of the model
    after the batch; still part of its graph.
    """

    nats: float
    targets: int
    norm: float
    state: State | None


class NotFiniteError(Exception):
    """The loss or the norm of the gradient is NaN or infinite; no weight was changed."""


class Step:
    """Updates an experiment's weights, one batch per call.

    Gradients are those of the summed loss, and of a penalty of the model's, which is no part of the loss that
    is returned; division by the number of targets, clipping and the optimizer's update are one pass over
    them. Loss and norm are transferred to Python together.
    """

    def __init__(self, experiment: NetworkExperiment):
        self._experiment = experiment
        self._clip = experiment.config.training.clip_norm
        self._parameters = [p for group in experiment.optimizer.param_groups for p in group["params"]]
        self._scale = torch.ones((), device=self._parameters[0].device)

    def __call__(self, batch: Batch, carried: State | None, rate: float) -> StepResult:
        """One step at a learning rate.

        Args:
            batch: on the model's device.
            carried: the state that the rows continue from; None is the model's start.
            rate: the base rate times the schedule's factor.

        Raises:
            NotFiniteError: the loss or the gradient is not finite.
            UserError: the loss has no gradient.
        """
        model, rows = self._experiment.model, self._experiment.rows
        features, state, penalty = model.training_features(batch, carried)
        total, targets = self._experiment.task.loss(model.head, *batch.real(features))
        # Not `zero_grad` and `get_total_norm`: their bookkeeping takes a tenth of a small model's step.
        for parameter in self._parameters:
            parameter.grad = None
        if not total.requires_grad:
            raise UserError(
                "The loss must depend on weights that are trained. Got one without a gradient; code of your "
                "own may use `detach()`, `torch.no_grad()` or `torch.set_grad_enabled(False)`."
            )
        objective = total if penalty is None else total + targets * penalty
        objective.backward()
        gradients = [p.grad for p in self._parameters if p.grad is not None]
        if rows is not None and rows.gradient is not None:
            gradients.append(rows.gradient)
        norms = [torch.linalg.vector_norm(gradient) for gradient in gradients]
        summed_norm = torch.linalg.vector_norm(torch.stack(norms))
        nats, norm = torch.stack([total.detach(), summed_norm / targets]).tolist()
        if not math.isfinite(nats):
            raise NotFiniteError(f"loss became {nats / targets}")
        if not math.isfinite(norm):
            raise NotFiniteError(f"gradient norm became {norm}")
        self._move(rate, self._clipping(norm) / targets)
        return StepResult(nats=nats, targets=targets, norm=norm, state=state)

    def _clipping(self, norm: float) -> float:
        """The factor by which clipping scales the gradients."""
        return 1.0 if self._clip is None else min(1.0, self._clip / (norm + _CLOSE))

    def _move(self, rate: float, factor: float) -> None:
        optimizer = self._experiment.optimizer
        # torch's GradScaler asks the same attribute: fused optimizers divide gradients by a scale themselves.
        if getattr(optimizer, "_step_supports_amp_scaling", False):
            optimizer.grad_scale = self._scale.fill_(1 / factor)  # pyright: ignore
        else:
            for parameter in self._parameters:
                if parameter.grad is not None:
                    parameter.grad.mul_(factor)
        self._experiment.layers.step(rate, factor)
