"""Checks of what layers read. Legend: B batch size, T steps, E inputs, H units, G gates."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from seqlab.nn.cells import States, Weights
from seqlab.nn.embedding import Lookup
from seqlab.schema.errors import UserError

RECURRENT = "recurrent layer"
"""The kind of layer that messages name unless another one is given."""


def check_inputs(x: Tensor | Lookup, weight_ih: Tensor, layer: str = RECURRENT) -> None:
    """Check that inputs (B, T, E) fit weights (..., E) that multiply them.

    Raises:
        UserError: shape, type or device do not fit.
    """
    inputs = weight_ih.shape[-1]
    if len(x.shape) != 3 or x.shape[2] != inputs:
        raise _wrong("inputs", f"(batch, steps, {inputs})", tuple(x.shape), layer)
    _check_type("inputs", x, weight_ih, layer)


def check_states(
    state: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]], layer: str = RECURRENT
) -> None:
    """Check that there is every state of a layer, each of its shape, and no other one.

    Raises:
        UserError: it is no dictionary, or a state is missing, unknown or of another shape.
    """
    if not isinstance(state, Mapping):  # torch's layers take a tensor or a tuple of them
        raise _wrong("state", f"a dictionary of {', '.join(shapes)}", type(state).__name__, layer)
    if set(state) != set(shapes):
        raise _wrong("state", f"named {', '.join(shapes)}", ", ".join(sorted(state)) or "none", layer)
    for name, shape in shapes.items():
        if tuple(state[name].shape) != shape:
            raise _wrong(f"state {name!r}", str(shape), tuple(state[name].shape), layer)


def check_layer(x: Tensor | Lookup, state: States, weights: Weights) -> None:
    """Check that a layer's tensors fit each other: native code would read past the end of one that does not.

    Raises:
        UserError: shape, type or device of a tensor do not fit the weights.
    """
    GH, H = weights.weight_hh.shape
    biases = {"bias_ih": weights.bias_ih, "bias_hh": weights.bias_hh}
    if len(x.shape) != 3:
        raise _wrong("inputs", "(batch, steps, inputs)", tuple(x.shape))
    expected = {
        "weight_ih": (weights.weight_ih, (GH, x.shape[2])),
        **{name: (bias, (GH,)) for name, bias in biases.items() if bias is not None},
        **{f"initial state {i + 1}": (tensor, (x.shape[0], H)) for i, tensor in enumerate(state)},
    }
    for name, (tensor, shape) in expected.items():
        if tuple(tensor.shape) != shape:
            raise _wrong(name, str(shape), tuple(tensor.shape))
    _check_type("inputs", x, weights.weight_hh)
    for name, (tensor, _) in expected.items():
        _check_type(name, tensor, weights.weight_hh)


def ragged_lengths(lengths: Tensor, x: Tensor | Lookup, layer: str = RECURRENT) -> Tensor | None:
    """The lengths of a batch with padding; None for a batch without, which needs no masks.

    Raises:
        UserError: there is not one length from 0 to T for each sequence, or not as int64 on the device of x.
    """
    B, T = x.shape[:2]
    if lengths.dtype != torch.int64 or tuple(lengths.shape) != (B,) or lengths.device != x.device:
        required = f"torch.int64 of shape ({B},) on {x.device}"
        got = f"{lengths.dtype} of shape {tuple(lengths.shape)} on {lengths.device}"
        raise _wrong("lengths", required, got, layer)
    if not B:
        return None
    # `int` waits for the device: a stack of layers therefore checks lengths once, not in every layer.
    shortest, longest = (int(extreme) for extreme in lengths.aminmax())
    for extreme in (shortest, longest):
        if not 0 <= extreme <= T:
            raise _wrong("lengths", f"within 0 to {T}", extreme, layer)
    return lengths if shortest < T else None


def _check_type(name: str, tensor: Tensor | Lookup, weight: Tensor, layer: str = RECURRENT) -> None:
    if tensor.dtype != weight.dtype or tensor.device != weight.device:
        required = f"{weight.dtype} on {weight.device}, as the weights are"
        raise _wrong(name, required, f"{tensor.dtype} on {tensor.device}", layer)


def _wrong(name: str, required: str, got: object, layer: str = RECURRENT) -> UserError:
    return UserError(f"A {layer}'s {name} must be {required}. Got {got}.")
