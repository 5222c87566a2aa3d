"""What a recurrent layer may be given. Legend: B rows, T steps, E inputs, H units, G gates."""

from __future__ import annotations

import torch
from torch import Tensor

from seqlab.nn.cells import States, Weights
from seqlab.schema.errors import UserError


def check_layer(x: Tensor, lengths: Tensor | None, state: States, weights: Weights) -> None:
    """Whether a layer's tensors fit each other: native code would read behind the end of those that do not.

    Raises:
        UserError: a shape, type or device is not what the weights ask for, or lengths are not within 0 to T.
    """
    rows, H = weights.weight_hh.shape
    if x.dim() != 3 or x.shape[2] != weights.weight_ih.shape[1]:
        raise _wrong("inputs", f"(rows, steps, {weights.weight_ih.shape[1]})", tuple(x.shape))
    B = x.shape[0]
    biases = {"bias_ih": weights.bias_ih, "bias_hh": weights.bias_hh}
    expected = {
        "weight_ih": (weights.weight_ih, (rows, x.shape[2])),
        **{name: (bias, (rows,)) for name, bias in biases.items() if bias is not None},
        **{f"initial state {i + 1}": (tensor, (B, H)) for i, tensor in enumerate(state)},
    }
    for name, (tensor, shape) in expected.items():
        if tuple(tensor.shape) != shape:
            raise _wrong(name, str(shape), tuple(tensor.shape))
    for name, tensor in {"inputs": x, **{name: tensor for name, (tensor, _) in expected.items()}}.items():
        if tensor.dtype != weights.weight_hh.dtype or tensor.device != weights.weight_hh.device:
            wanted = f"{weights.weight_hh.dtype} on {weights.weight_hh.device}, as the weights are"
            raise _wrong(name, wanted, f"{tensor.dtype} on {tensor.device}")
    if lengths is not None:
        check_lengths(lengths, B, x.shape[1])


def check_lengths(lengths: Tensor, rows: int, steps: int) -> None:
    """Whether there is a whole number from 0 to `steps` for each row.

    Raises:
        UserError: there is not.
    """
    if lengths.dtype != torch.int64 or tuple(lengths.shape) != (rows,):
        got = f"{lengths.dtype} of shape {tuple(lengths.shape)}"
        raise _wrong("lengths", f"torch.int64 of shape ({rows},)", got)
    outside = lengths[(lengths < 0) | (lengths > steps)]
    if len(outside):
        raise _wrong("lengths", f"within 0 to {steps}", int(outside[0]))


def _wrong(name: str, wanted: str, got: object) -> UserError:
    return UserError(f"A recurrent layer's {name} must be {wanted}. Got {got}.")
