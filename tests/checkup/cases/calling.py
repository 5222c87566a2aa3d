"""Calling the module of a case, and changing what it reads.

Legend: B rows, T steps, V outputs.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from cases.case import Batch, Case, copied
from cases.parts import token_loss
from torch import Tensor, nn

Law = Callable[[Case], bool]


SEQUENCES = ("tgt", "decoder_input_ids", "tokens", "x", "text", "frames", "input_ids")


"""Names of what is read step by step; the decoder's input comes first, where there is one."""


SOURCES = ("src", "encoder_outputs")


STATES = ("state", "hidden", "hx", "cache")


MASKS = ("attention_mask", "src_mask", "mask")


LENGTH_NAMES = ("lengths", "src_lengths")


ROUNDING = 1e-8


def prepared(case: Case, *, training: bool = False) -> tuple[nn.Module, Batch, Tensor | None]:
    """The module in float64, its arguments and targets; random values replace parameters that are all zero.

    A zero-initialised head would hide every effect.
    """
    module = case.build().double().train(training)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.count_nonzero() == 0:
                parameter.normal_(std=0.1, generator=generator)
    arguments, targets = case.example()
    return module, {name: as_double(value) for name, value in arguments.items()}, targets


def without_dropout(module: nn.Module) -> nn.Module:
    """The module, whose layers of dropout do nothing from now on."""
    for part in module.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
        if isinstance(part, nn.MultiheadAttention):
            part.dropout = 0.0
    return module


def as_double(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(as_double(item) for item in value)
    return value.double() if isinstance(value, Tensor) and value.is_floating_point() else value


@contextmanager
def fixed() -> Iterator[None]:
    """One seed within, the previous state of the global generator after."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def call(module: nn.Module, arguments: Batch) -> Any:
    with fixed():
        return module(**copied(arguments))


def output_of(result: Any) -> Tensor:
    """The output, whatever it comes in."""
    if isinstance(result, Tensor):
        return result
    if isinstance(result, dict):
        return result["logits"]
    return result.logits if hasattr(result, "logits") else result[0]


def state_of(result: Any) -> Any:
    """The state that a module returns beside its output."""
    return result["state"] if isinstance(result, dict) else result[1]


def sequence_name(arguments: Batch) -> str:
    return next(name for name in SEQUENCES if name in arguments)


def outputs(case: Case, module: nn.Module, arguments: Batch) -> Tensor:
    """Outputs, batch first: (B, T, V), or (B, ...) for one output per sequence."""
    with torch.no_grad():
        output = output_of(call(module, arguments))
    sequence = arguments[sequence_name(arguments)]
    per_step = output.dim() >= 2 and output.shape[:2] == sequence.shape[:2]
    return output.transpose(0, 1) if case.time_first and per_step else output


def real_steps(case: Case, arguments: Batch) -> Tensor:
    """True where the sequence, (B, T), is not padding."""
    sequence = arguments[sequence_name(arguments)]
    B, T = sequence.shape[:2] if not case.time_first else sequence.shape[:2][::-1]
    if "attention_mask" in arguments:
        return arguments["attention_mask"].bool()
    if "lengths" in arguments:
        return torch.arange(T) < arguments["lengths"].unsqueeze(1)
    return torch.ones(B, T, dtype=torch.bool)


def same(case: Case, arguments: Batch, first: Tensor, second: Tensor) -> bool:
    """Whether two outputs agree at every real step."""
    if first.shape != second.shape:
        return False
    keep = real_steps(case, arguments)
    if first.shape[:2] == keep.shape and first.dim() == 3:
        first, second = first[keep], second[keep]
    return bool(torch.allclose(first, second, rtol=0, atol=ROUNDING * max(1.0, first.abs().max().item())))


def batch_axis(case: Case, name: str) -> int:
    """The axis of the sequences of a batch in an argument."""
    return 1 if name in STATES or (case.time_first and name in (*SEQUENCES, *SOURCES)) else 0


def changed_values(values: Tensor, among: Tensor) -> Tensor:
    """Other values: other ids that occur in an argument, or other numbers."""
    if values.is_floating_point():
        return values + 1.0 + values.roll(1, dims=-1)
    known = among.unique() if int(among.max()) < 2 else among[among > 0].unique()
    return known[(torch.searchsorted(known, values.clamp(min=int(known[0]))) + 1) % len(known)]


def rows_of(case: Case, arguments: Batch, rows: Tensor) -> Batch:
    """The arguments of some rows, in that order."""

    def pick(name: str, value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(pick(name, item) for item in value)
        return value.index_select(batch_axis(case, name), rows) if isinstance(value, Tensor) else value

    return {name: pick(name, value) for name, value in arguments.items()}


def is_padding(case: Case, arguments: Batch, name: str) -> Tensor:
    """True where a sequence or a source (B, T) is padding."""
    if name in SEQUENCES:
        return ~real_steps(case, arguments)
    if "src_mask" in arguments:
        return ~arguments["src_mask"].bool()
    steps = arguments[name].shape[0 if case.time_first else 1]
    return torch.arange(steps) >= arguments["src_lengths"].unsqueeze(1)


def padded_names(arguments: Batch) -> list[str]:
    """The arguments that have padding."""
    own = [name for name in SEQUENCES if name in arguments and {"lengths", "attention_mask"} & set(arguments)]
    source = [name for name in SOURCES if name in arguments and {"src_lengths", "src_mask"} & set(arguments)]
    return own + source


def with_other_padding(case: Case, arguments: Batch) -> Batch:
    """The arguments with other values where there is padding."""
    other = copied(arguments)
    for name in padded_names(arguments):
        padding = is_padding(case, arguments, name)
        padding = padding.T if case.time_first else padding
        filler = 3.0 if other[name].is_floating_point() else 3
        other[name][padding] = filler
    return other


def with_more_padding(case: Case, arguments: Batch, columns: int = 3) -> Batch:
    """The arguments with more columns of padding, on the side where it is."""
    other, axis = copied(arguments), 0 if case.time_first else 1
    names = padded_names(arguments)
    left = "attention_mask" in arguments and not arguments["attention_mask"][:, 0].all()
    masks = {
        "attention_mask" if name in SEQUENCES else "src_mask"
        for name in names
        if ("attention_mask" if name in SEQUENCES else "src_mask") in arguments
    }
    for name in [*names, *masks]:
        along = axis if name in names else 1
        value = other[name]
        filler = torch.zeros_like(value.narrow(along, 0, columns))
        padding = is_padding(case, arguments, name) if name in names else None
        if padding is not None and padding.any():
            example = value[padding.T if case.time_first else padding][0]
            filler = filler + example
        other[name] = torch.cat([filler, value] if left else [value, filler], dim=along)
    return other


def leaves(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    items = value.values() if isinstance(value, dict) else value
    return [leaf for item in items for leaf in leaves(item)]


def state_name(module: nn.Module) -> str | None:
    """The argument of `forward` that takes a state."""
    names = inspect.signature(module.forward).parameters
    return next((name for name in STATES if name in names), None)


def training_loss(case: Case) -> tuple[Tensor, nn.Module]:
    """The loss of the example, with its graph, and the module (float64, evaluation mode)."""
    module, arguments, targets = prepared(case)
    result = call(module, arguments)
    if targets is None:
        return (result["loss"] if isinstance(result, dict) else result.loss), module
    return (case.loss or token_loss)(output_of(result), as_double(targets)), module
