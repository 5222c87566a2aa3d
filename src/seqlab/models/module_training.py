"""A trial of what training and checkpoints do with a module, before anything is trained.

Legend: B sequences, T steps, V outputs.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from seqlab.schema.own_code import OwnCode, OwnCodeError


def check_weights(code: OwnCode, module: nn.Module) -> None:
    """Check that a module has weights that can be trained, each with numbers and a shape.

    Raises:
        OwnCodeError: it has none, or one has no shape yet, or none of its numbers.
    """
    counted_only = torch.get_default_device().type == "meta"
    with code.errors("its weights were read"):
        weights = list(_weights(module))
        trained = any(parameter.requires_grad for parameter in module.parameters())
    for name, weight in weights:
        if is_lazy(weight):
            raise OwnCodeError(
                f"{code.label} must have weights of known shapes. Got {name!r} of a lazy module. "
                "Nearest: the module without Lazy in its name."
            )
        if weight.is_meta and not counted_only:
            raise OwnCodeError(
                f"{code.label} must have weights with numbers. Got {name!r} on the device meta. Nearest: cpu."
            )
    if not trained:
        raise OwnCodeError(f"{code.label} must have at least one parameter that can be trained. Got none.")


def check_training(code: OwnCode, module: nn.Module, read: Callable[[nn.Module], Tensor]) -> None:
    """Compute gradients of a copy in training mode; save and restore the module's weights.

    Args:
        code: of the module.
        module: as it was made; no value is changed.
        read: the logits (B, T, V) or (B, V) of a few tokens.

    Raises:
        OwnCodeError: the module fails in this, its logits do not depend on its weights, a gradient is sparse,
            or it does not give each of its weights to a checkpoint.
    """
    with code.errors("it was copied, to be tried"):
        tried = copy.deepcopy(module).train()
    with torch.enable_grad():
        logits = read(tried)
        if not logits.requires_grad:
            raise OwnCodeError(
                f"{code.label} must return logits that depend on its parameters. Got some without a "
                "gradient. Likely causes: `detach()`, `torch.no_grad()`, a tensor made of numbers."
            )
        with code.errors("gradients were computed"):
            logits.sum().backward()
    for name, parameter in tried.named_parameters():
        if parameter.grad is not None and parameter.grad.layout is not torch.strided:
            raise OwnCodeError(
                f"{code.label} must have dense gradients. Got a sparse one of {name!r}. "
                "Nearest: sparse=False."
            )
    _check_saved(code, module)


def _check_saved(code: OwnCode, module: nn.Module) -> None:
    """Save the weights and restore them, as a checkpoint does, which changes no value."""
    with code.errors("its weights were saved and restored"):
        state = module.state_dict()
        wrong = [name for name, value in state.items() if not isinstance(value, Tensor)]
        missing = [name for name, _ in module.named_parameters() if name not in state]
        if not wrong and not missing:
            module.load_state_dict({name: value.clone() for name, value in state.items()})
    if wrong or missing:
        got = f"{type(state[wrong[0]]).__name__} for {wrong[0]!r}" if wrong else f"none for {missing[0]!r}"
        raise OwnCodeError(f"state_dict of {code.label} must have the tensor of each weight. Got {got}.")


def _weights(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from module.named_parameters()
    yield from module.named_buffers()
