"""What rounding does to the outputs of a module, so that no rounding is taken for a mistake."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from typing_extensions import override


class _Types(TorchDispatchMode):
    """Notes the types of all floating-point tensors that are computed in its block."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = {torch.float64}

    @override
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.seen |= {
            leaf.dtype
            for leaf in tree_leaves(result)
            # Numbers that are made, such as positions, are exact in every type.
            if isinstance(leaf, Tensor) and leaf.is_floating_point() and leaf.numel() > 1
        }
        return result


def narrowest_type(run: Callable[[], Tensor]) -> torch.dtype:
    """The floating-point type of the lowest precision with which something is computed in `run`."""
    with _Types() as types:
        run()
    return max(types.seen, key=lambda kind: torch.finfo(kind).eps)


def rounding_noise(module: nn.Module, kind: torch.dtype, run: Callable[[nn.Module], Tensor]) -> float:
    """How much outputs change, as a fraction of the largest, if every weight w becomes w (1 + ε r), |r| <= 1.

    ε is the rounding of the type. `run` gives outputs of a module, which it does not change.
    """
    first = run(module)
    changed = copy.deepcopy(module)
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in changed.parameters():
            if weight.is_floating_point():
                signs = torch.rand(weight.shape, generator=random, dtype=weight.dtype) * 2 - 1
                weight.mul_(1 + torch.finfo(kind).eps * signs)
    second = run(changed)
    scale = first.abs().max().item()
    noise = (first - second).abs().max().item()
    return noise / scale if 0 < scale < math.inf and math.isfinite(noise) else 0.0


def perturb_zeros(module: nn.Module) -> None:
    """Put small random values into every parameter that is all zero.

    A newly initialised model often has zero biases or a zero head, which hide the effect of a mistake.
    """
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.is_floating_point() and parameter.count_nonzero() == 0:
                parameter.copy_(0.02 * torch.randn(parameter.shape, generator=random))
