"""Errors for a loss or gradient that is not finite: where it began, and what to change."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from seqlab.data.batch import Batch
from seqlab.experiment.experiment_config import TrainingConfig
from seqlab.models.model import SequenceModel, State
from seqlab.schema.errors import DivergedError


def diverged(what: str, *, first: str, moment: str, remedy: str) -> DivergedError:
    """The error that stops training.

    Args:
        what: what is not finite and its value, e.g. "loss became nan".
        first: where it began, from `first_not_finite`.
        moment: step and epoch, for the message.
        remedy: what the user can change, from `remedy`.
    """
    return DivergedError(
        f"The {what} at {moment}. First not finite: {first}. "
        f"Training stopped; the last checkpoint is the last good one. {remedy}"
    )


def remedy(training: TrainingConfig) -> str:
    """What the user can change, with the values that the settings have."""
    words = f"Lower training.optimizer.learning_rate (now {training.optimizer.learning_rate:g})"
    if training.clip_norm is not None:
        return f"{words}."
    return f"{words}, or set training.clip_norm (for recurrent models 0.25 to 5)."


def first_not_finite(model: SequenceModel, batch: Batch, state: State | None) -> str:
    """The first NaN or infinity: in a weight, else in a layer's output, else in a gradient."""
    weight = weight_not_finite(model.named_parameters())
    if weight is not None:
        return weight
    layer = _first_layer(model, batch, state)
    if layer is not None:
        return f"output of layer {layer!r}"
    for name, parameter in model.named_parameters():
        if parameter.grad is not None and not bool(parameter.grad.isfinite().all()):
            return f"gradient of {name!r}"
    return "the loss itself"


def weight_not_finite(weights: Iterable[tuple[str, Tensor]]) -> str | None:
    """The first weight that is NaN or infinite, of weights with their names; None if all are finite."""
    for name, weight in weights:
        if not bool(weight.isfinite().all()):
            return f"weight {name!r}"
    return None


def _first_layer(model: SequenceModel, batch: Batch, state: State | None) -> str | None:
    found: list[str] = []

    def watch(name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if not found and any(not bool(t.isfinite().all()) for t in _tensors(output)):
                found.append(name)

        return hook

    hooks = [module.register_forward_hook(watch(name)) for name, module in model.named_modules() if name]
    try:
        with torch.no_grad():
            model(batch, state)
    finally:
        for hook in hooks:
            hook.remove()
    return found[0] if found else None


def _tensors(output: Any) -> list[Tensor]:
    if isinstance(output, Tensor):
        return [output] if output.is_floating_point() else []
    if isinstance(output, dict):
        return _tensors(list(output.values()))
    if isinstance(output, (tuple, list)):
        return [tensor for item in output for tensor in _tensors(item)]
    return []
