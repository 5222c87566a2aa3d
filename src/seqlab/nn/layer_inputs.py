"""What a recurrent layer may be given. Legend: B rows, T steps, E inputs, H units, G gates."""

from __future__ import annotations

import torch
from torch import Tensor

from seqlab.nn.cells import States, Weights
from seqlab.nn.embedding import Lookup
from seqlab.schema.errors import UserError


def check_inputs(x: Tensor | Lookup, weight_ih: Tensor) -> None:
    """Whether inputs fit the weights they will be multiplied with.

    Raises:
        UserError: they do not.
    """
    inputs = weight_ih.shape[1]
    if len(x.shape) != 3 or x.shape[2] != inputs:
        raise _wrong("inputs", f"(rows, steps, {inputs})", tuple(x.shape))
    _check_alike("inputs", x, weight_ih)


def check_states(state: dict[str, Tensor], shape: tuple[int, ...]) -> None:
    """Whether every state has this shape: rows, layers and directions, units.

    Raises:
        UserError: one has not.
    """
    for name, tensor in state.items():
        if tuple(tensor.shape) != shape:
            raise _wrong(f"state {name!r}", str(shape), tuple(tensor.shape))


def check_layer(x: Tensor | Lookup, state: States, weights: Weights) -> None:
    """Whether a layer's tensors fit each other: native code would read behind the end of those that do not.

    Raises:
        UserError: a shape, type or device is not what the weights ask for.
    """
    rows, H = weights.weight_hh.shape
    biases = {"bias_ih": weights.bias_ih, "bias_hh": weights.bias_hh}
    if len(x.shape) != 3:
        raise _wrong("inputs", "(rows, steps, inputs)", tuple(x.shape))
    expected = {
        "weight_ih": (weights.weight_ih, (rows, x.shape[2])),
        **{name: (bias, (rows,)) for name, bias in biases.items() if bias is not None},
        **{f"initial state {i + 1}": (tensor, (x.shape[0], H)) for i, tensor in enumerate(state)},
    }
    for name, (tensor, shape) in expected.items():
        if tuple(tensor.shape) != shape:
            raise _wrong(name, str(shape), tuple(tensor.shape))
    _check_alike("inputs", x, weights.weight_hh)
    for name, (tensor, _) in expected.items():
        _check_alike(name, tensor, weights.weight_hh)


def ragged_lengths(lengths: Tensor, x: Tensor | Lookup) -> Tensor | None:
    """The lengths of x's rows where one is shorter than the steps; None where all are as long.

    Raises:
        UserError: there is not a whole number from 0 to the steps for each row.
    """
    rows, steps = x.shape[:2]
    if lengths.dtype != torch.int64 or tuple(lengths.shape) != (rows,) or lengths.device != x.device:
        wanted = f"torch.int64 of shape ({rows},) on {x.device}"
        got = f"{lengths.dtype} of shape {tuple(lengths.shape)} on {lengths.device}"
        raise _wrong("lengths", wanted, got)
    if not rows:
        return None
    least, most = (int(end) for end in lengths.aminmax())
    for extreme in (least, most):
        if not 0 <= extreme <= steps:
            raise _wrong("lengths", f"within 0 to {steps}", extreme)
    return lengths if least < steps else None


def _check_alike(name: str, tensor: Tensor | Lookup, weight: Tensor) -> None:
    if tensor.dtype != weight.dtype or tensor.device != weight.device:
        wanted = f"{weight.dtype} on {weight.device}, as the weights are"
        raise _wrong(name, wanted, f"{tensor.dtype} on {tensor.device}")


def _wrong(name: str, wanted: str, got: object) -> UserError:
    return UserError(f"A recurrent layer's {name} must be {wanted}. Got {got}.")
