"""The first state of a module that must be given one, and the order of axes that its source names."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any, Literal

from torch import nn

STARTS = (
    "init_hidden",
    "initHidden",
    "init_state",
    "initial_state",
    "begin_state",
    "zero_state",
    "get_initial_state",
)


def maker(name: str) -> Callable[[nn.Module, int], Any]:
    """What calls the method of this name of a module, with a number of sequences."""

    def make(module: nn.Module, rows: int) -> Any:
        return getattr(module, name)(rows)

    return make


def like(state: Any, module: nn.Module, rows: int) -> Any:
    """Zeros of the form of a state, for another number of sequences."""
    if isinstance(state, tuple | list):
        return type(state)(like(part, module, rows) for part in state)
    weight = next(module.parameters())
    shape = list(state.shape)
    shape[1 if len(shape) > 2 else 0] = rows
    return weight.new_zeros(shape)


def zero_states(module: nn.Module, rows: int) -> Any:
    """Zeros as torch's recurrent layers need them."""
    layer = next(each for each in module.modules() if isinstance(each, nn.RNNBase))
    weight = next(layer.parameters())
    count = layer.num_layers * (2 if layer.bidirectional else 1)
    zeros = weight.new_zeros(count, rows, layer.hidden_size)
    return (zeros, zeros.clone()) if isinstance(layer, nn.LSTM) else zeros


def intended_layout(module: nn.Module) -> Literal["batch-first", "time-first"] | None:
    """The order of axes that the source of a module's forward names, such as `B, T = x.shape`."""
    try:
        text = inspect.getsource(type(module))
    except (OSError, TypeError):
        return None
    batch, time = r"(?:B|b|bs|bsz|N|n|batch\w*)", r"(?:T|t|L|S|time|steps?|length|seq\w*)"
    end = r"(?:\s*,\s*\w+)*\s*=\s*\w+\.(?:shape|size\(\))"
    shapes = r"\(\s*{}\s*,\s*{}\s*[,)]"
    first = re.search(rf"\b{batch}\s*,\s*{time}{end}", text) or re.search(shapes.format(batch, time), text)
    last = re.search(rf"\b{time}\s*,\s*{batch}{end}", text) or re.search(shapes.format(time, batch), text)
    if bool(first) == bool(last):
        return None
    return "batch-first" if first else "time-first"
