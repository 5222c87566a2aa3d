"""Checks of what layers read. Legend: B batch size, T steps, E inputs, H units, G gates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from seqlab.data.sequences import length_mask
from seqlab.nn.cells import States, Weights
from seqlab.nn.embedding import Lookup
from seqlab.schema.errors import UserError

RECURRENT = "recurrent layer"
"""The kind of layer that messages name unless another one is given."""
MODEL = "model"


def check_inputs(x: Tensor | Lookup, weight_ih: Tensor | None, layer: str = RECURRENT) -> None:
    """Check that inputs (B, T, E) fit weights (..., E) that multiply them; without any, that they are floats.

    Raises:
        UserError: they are no tensor, or shape, type or device do not fit.
    """
    inputs = "features" if weight_ih is None else weight_ih.shape[-1]
    if not isinstance(x, Tensor | Lookup):
        raise _wrong("inputs", f"a tensor (batch, steps, {inputs})", type(x).__name__, layer)
    if len(x.shape) != 3 or (weight_ih is not None and x.shape[2] != inputs):
        raise _wrong("inputs", f"(batch, steps, {inputs})", tuple(x.shape), layer)
    if weight_ih is not None:
        _check_type("inputs", x, weight_ih, layer)
    elif not x.dtype.is_floating_point:
        raise _wrong("inputs", "of a floating-point type", x.dtype, layer)


def check_states(
    state: Mapping[str, Tensor],
    start: Mapping[str, Tensor],
    shapes: Mapping[str, tuple[int, ...]],
    layer: str = RECURRENT,
) -> None:
    """Check that there is every state of a layer, each of its shape and type, and no other one.

    Args:
        state: what is checked.
        start: a state that the layer made, of any number of sequences, for names, types and devices.
        shapes: of each state.
        layer: the kind of layer, for the message.

    Raises:
        UserError: it is no dictionary of tensors, or a state is missing, unknown, or of another shape, type
            or device.
    """
    if not isinstance(state, Mapping):  # torch's layers take a tensor or a tuple of them
        raise _wrong("state", f"a dictionary of {', '.join(shapes)}", type(state).__name__, layer)
    if set(state) != set(shapes):
        got = ", ".join(sorted(map(str, state))) or "none"
        raise _wrong("state", f"named {', '.join(shapes)}", got, layer)
    for name, shape in shapes.items():
        tensor = state[name]
        if not isinstance(tensor, Tensor):
            raise _wrong(f"state {name!r}", f"a tensor {shape}", type(tensor).__name__, layer)
        if tuple(tensor.shape) != shape:
            raise _wrong(f"state {name!r}", str(shape), tuple(tensor.shape), layer)
        _check_type(f"state {name!r}", tensor, start[name], layer)


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
    required = f"torch.int64 of shape ({B},) on {x.device}"
    if not isinstance(lengths, Tensor):
        raise _wrong("lengths", required, type(lengths).__name__, layer)
    if lengths.dtype != torch.int64 or tuple(lengths.shape) != (B,) or lengths.device != x.device:
        raise _wrong("lengths", required, _described(lengths), layer)
    if not B:
        return None
    # `int` waits for the device: a stack of layers therefore checks lengths once, not in every layer.
    shortest, longest = (int(extreme) for extreme in lengths.aminmax())
    for extreme in (shortest, longest):
        if not 0 <= extreme <= T:
            raise _wrong("lengths", f"within 0 to {T}", extreme, layer)
    return lengths if shortest < T else None


def check_axes(name: str, tensor: Tensor, axes: Sequence[str], layer: str = MODEL) -> None:
    """Check that something is a tensor with these axes, whatever their sizes.

    Raises:
        UserError: it is none, or has more or fewer axes.
    """
    required = f"a tensor ({', '.join(axes)})"
    if not isinstance(tensor, Tensor):
        raise _wrong(name, required, type(tensor).__name__, layer)
    if tensor.dim() != len(axes):
        raise _wrong(name, required, f"one of shape {tuple(tensor.shape)}", layer)


def real_tokens(tokens: Tensor, lengths: Tensor) -> Tensor:
    """Tokens (B, T) with zeros at padding, where others need not be indices of a table.

    Raises:
        UserError: tokens are no tensor of two axes, or lengths do not fit them; see `ragged_lengths`.
    """
    check_axes("tokens", tokens, ("batch", "steps"))
    ragged = ragged_lengths(lengths, tokens, MODEL)
    return tokens if ragged is None else tokens.masked_fill(~length_mask(ragged, tokens.shape[1]), 0)


def _check_type(name: str, tensor: Tensor | Lookup, like: Tensor, layer: str = RECURRENT) -> None:
    if tensor.dtype != like.dtype or tensor.device != like.device:
        required = f"{like.dtype} on {like.device}{', as the weights are' * like.is_floating_point()}"
        raise _wrong(name, required, f"{tensor.dtype} on {tensor.device}", layer)


def _described(tensor: Tensor) -> str:
    return f"{tensor.dtype} of shape {tuple(tensor.shape)} on {tensor.device}"


def _wrong(name: str, required: str, got: object, layer: str = RECURRENT) -> UserError:
    return UserError(f"A {layer}'s {name} must be {required}. Got {got}.")
