"""The user's own loss function, called in the form that it takes. Legend: B sequences, T steps, V outputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from seqlab.checkup.finding import NotExaminedError
from seqlab.checkup.subject import Subject
from seqlab.data.batch import Batch


def call_loss(subject: Subject, outputs: Tensor, targets: Tensor) -> Tensor:
    """The user's loss of outputs (B, T, V) or (B, V); it may take any of the forms that losses take.

    Raises:
        NotExaminedError: it fails in all of them, or gives no single number.
    """
    assert subject.loss_function is not None, "there is a loss"
    error: Exception | None = None
    for values, wanted in _forms(subject, outputs, targets):
        try:
            found = subject.loss_function(values, wanted)
        except Exception as raised:  # the user's loss may raise anything
            error = error or raised
            continue
        if isinstance(found, Tensor) and found.numel() == 1:
            return found.reshape(())
        raise NotExaminedError(f"loss must return one number. Got {type(found).__name__}.")
    raise NotExaminedError(f"loss failed on outputs and targets: {error}")


def _forms(subject: Subject, outputs: Tensor, targets: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    guessed = getattr(subject, "guessed", None)
    if guessed is not None and outputs.dim() == 3:
        if guessed.call.missing:
            outputs = outputs[:, : -guessed.call.missing]
        if not guessed.call.batch_first:
            outputs, targets = outputs.transpose(0, 1), targets.transpose(0, 1)
    real = targets.to(outputs.dtype) if targets.is_floating_point() else targets
    if outputs.shape[-1] == 1:
        single = outputs.squeeze(-1)
        yield single, real
        yield outputs, real.reshape(outputs.shape)
        yield single, real.to(outputs.dtype)
        yield outputs, real.to(outputs.dtype).reshape(outputs.shape)
    yield outputs, real
    if outputs.dim() == 3:
        yield outputs.reshape(-1, outputs.shape[-1]), real.reshape(-1)
        yield outputs.transpose(1, 2), real
    yield outputs.float(), targets


def user_gradient(subject: Subject, outputs: Tensor, targets: Tensor) -> tuple[float, Tensor]:
    """The user's loss, and its gradient with respect to each output, of the shape of the outputs."""
    leaf = outputs.detach().clone().requires_grad_()
    loss = call_loss(subject, leaf, targets)
    if not loss.requires_grad:
        raise NotExaminedError("the loss has no gradient with respect to the outputs")
    (gradient,) = torch.autograd.grad(loss, leaf, allow_unused=True)
    return float(loss), torch.zeros_like(leaf) if gradient is None else gradient


def inner_loss(subject: Subject, batch: Batch) -> tuple[float, Tensor] | None:
    """The loss that `forward` computes from targets, and its gradient; None if it computes none."""
    guessed, labels = getattr(subject, "guessed", None), getattr(subject, "labels", None)
    if guessed is None or labels is None:
        return None
    targets = batch.target_values
    if not guessed.call.batch_first and targets.dim() > 1:
        targets = targets.transpose(0, 1)
    found = subject.read_raw(batch, **{labels: targets})  # type: ignore[attr-defined]
    loss = _part(found, "loss")
    logits = guessed.call.candidates(found)
    kept = [tensor for tensor in logits if tensor.dim() >= 2 and tensor is not loss]
    if loss is None or not kept or not loss.requires_grad:
        return None
    (gradient,) = torch.autograd.grad(loss, kept[0], allow_unused=True)
    if gradient is None:
        return None
    B, T = batch.inputs.tokens.shape[:2]
    arranged = guessed.call.arranged(gradient, B, T)
    return None if arranged is None else (float(loss), arranged)


def _part(found: Any, name: str) -> Tensor | None:
    if isinstance(found, Mapping):
        value = found.get(name)
    elif hasattr(found, name):
        value = getattr(found, name)
    else:
        parts = found if isinstance(found, tuple | list) else ()
        value = next((part for part in parts if isinstance(part, Tensor) and part.dim() == 0), None)
    return value if isinstance(value, Tensor) and value.numel() == 1 else None
