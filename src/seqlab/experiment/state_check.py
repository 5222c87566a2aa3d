"""Whether a state that was read back has the structure of a live one."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def tensor_kind(tensor: Tensor) -> str:
    """The shape and the type of a tensor, which torch would convert without a word.

    >>> import torch
    >>> tensor_kind(torch.zeros(2, 3))
    '(2, 3) float32'
    """
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"


def check_state(live: Any, found: Any, name: str) -> None:
    """Make sure that a state has every key of a live one, and values of the same types and shapes.

    It may have further keys, longer lists, and anything where the live state has None.

    Args:
        live: a state with the right structure; its values do not matter.
        found: what was read back.
        name: of the state, for the message.

    Raises:
        ValueError: a key is missing, or a value has another type or shape.
    """
    if live is None:
        return
    wanted, got = _kind(live), _kind(found)
    if wanted != got:
        raise ValueError(f"{name!r} must be {wanted}. Got {got}.")
    if isinstance(live, dict):
        for key, value in live.items():
            if key not in found:
                raise ValueError(f"'{name}.{key}' is missing.")
            check_state(value, found[key], f"{name}.{key}")
    elif isinstance(live, list | tuple):
        if len(found) < len(live) or (isinstance(live, tuple) and len(found) > len(live)):
            raise ValueError(f"{name!r} must have {len(live)} values. Got {len(found)}.")
        for index, (value, other) in enumerate(zip(live, found, strict=False)):
            check_state(value, other, f"{name}.{index}")


def state_after_a_step(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The state of an optimizer after a step, whose structure that of every later step has."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for parameter in parameters:
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for parameter in parameters:
        parameter.grad = None
    return optimizer.state_dict()


def check_optimizer(live: dict[str, Any], saved: dict[str, Any]) -> None:
    """Make sure that a saved state is one of this optimizer; a parameter without a gradient has none.

    Raises:
        ValueError: it is of another one.
    """
    check_state({"state": {}, "param_groups": live["param_groups"]}, saved, "optimizer")
    for key, entries in saved["state"].items():
        check_state(live["state"].get(key), entries, f"optimizer.state.{key}")


def _kind(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"tensor {tensor_kind(value)}"
    return type(value).__name__
