"""Inputs that do not fit a recurrent layer are refused, with what is required, before memory is read."""

from __future__ import annotations

from typing import get_args

import jaxtyping
import pytest
import torch
from torch import Tensor

from seqlab.nn.implementation import Implementation
from seqlab.nn.native import builds
from seqlab.nn.recurrent import RecurrentStack
from seqlab.schema.errors import UserError

B, T, E, H = 3, 8, 4, 5
NAN = float("nan")
IMPLEMENTATIONS: tuple[Implementation, ...] = get_args(Implementation)
LENGTHS = {
    "float, NaN": (
        torch.tensor([1.0, NAN, 2.0]),
        r"torch\.int64 of shape \(3,\) on cpu\. Got torch\.float32",
    ),
    "int32": (torch.tensor([1, 2, 3], dtype=torch.int32), r"torch\.int64 .* Got torch\.int32"),
    "bool": (torch.tensor([True, True, False]), r"torch\.int64 .* Got torch\.bool"),
    "too few": (torch.tensor([1, 2]), r"of shape \(3,\) on cpu\. Got torch\.int64 of shape \(2,\)"),
    "too many": (torch.tensor([1, 2, 3, 4]), r"of shape \(3,\) on cpu\. Got torch\.int64 of shape \(4,\)"),
    "one number": (torch.tensor(3), r"of shape \(3,\) on cpu\. Got torch\.int64 of shape \(\)"),
    "a matrix": (torch.ones(3, 1).long(), r"of shape \(3,\) on cpu\. Got torch\.int64 of shape \(3, 1\)"),
    "negative": (torch.tensor([1, -2, 3]), r"within 0 to 8\. Got -2"),
    "too long": (torch.tensor([1, 9, 3]), r"within 0 to 8\. Got 9"),
    "far too long": (torch.tensor([1, 2**62, 3]), rf"within 0 to 8\. Got {2**62}"),
}
INPUTS = {
    "features": (torch.zeros(B, T, E + 1), r"\(batch, steps, 4\)\. Got \(3, 8, 5\)"),
    "double": (
        torch.zeros(B, T, E).double(),
        r"torch\.float32 on cpu, as the weights are\. Got torch\.float64",
    ),
    "whole numbers": (torch.zeros(B, T, E).long(), r"torch\.float32 on cpu.* Got torch\.int64"),
    "half": (torch.zeros(B, T, E).half(), r"torch\.float32 on cpu.* Got torch\.float16"),
    "device": (
        torch.zeros(B, T, E, device="meta"),
        r"on cpu, as the weights are\. Got torch\.float32 on meta",
    ),
}
STATES = {
    "rows": (torch.zeros(B + 1, 1, H), r"state 'h' must be \(3, 1, 5\)\. Got \(4, 1, 5\)"),
    "units": (torch.zeros(B, 1, H + 2), r"state 'h' must be \(3, 1, 5\)\. Got \(3, 1, 7\)"),
    "double": (
        torch.zeros(B, 1, H).double(),
        r"state 'h' must be torch\.float32 on cpu, as the weights are\. Got torch\.float64",
    ),
    "device": (torch.zeros(B, 1, H, device="meta"), r"state 'h' must be .* Got torch\.float32 on meta"),
}


@pytest.fixture(autouse=True)
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shapes in signatures are checked in tests only; here it must be the code itself that checks."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


def stack(cell: str, implementation: Implementation, layers: int = 1) -> RecurrentStack:
    return RecurrentStack(
        cell, E, H, layers=layers, generator=torch.Generator().manual_seed(0), implementation=implementation
    )


def good() -> tuple[Tensor, Tensor]:
    return torch.zeros(B, T, E), torch.tensor([8, 3, 0])


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("wrong", LENGTHS)
def test_lengths(wrong: str, implementation: Implementation) -> None:
    lengths, message = LENGTHS[wrong]
    with pytest.raises(UserError, match=rf"^A recurrent layer's lengths must be .*{message}"):
        stack("lstm", implementation)(good()[0], lengths)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("wrong", INPUTS)
@pytest.mark.parametrize("cell", ["elman", "lstm"])
def test_inputs(cell: str, wrong: str, implementation: Implementation) -> None:
    x, message = INPUTS[wrong]
    with pytest.raises(UserError, match=rf"^A recurrent layer's inputs must be .*{message}"):
        stack(cell, implementation)(x, good()[1])


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("shape", [(B, T), (B, T, E, 1), (T,), ()], ids=str)
def test_inputs_of_other_dimensions(shape: tuple[int, ...], implementation: Implementation) -> None:
    with pytest.raises(UserError, match=r"inputs must be \(batch, steps, 4\)\. Got"):
        stack("elman", implementation)(torch.zeros(shape), good()[1])


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("wrong", STATES)
def test_states(wrong: str, implementation: Implementation) -> None:
    state, message = STATES[wrong]
    with pytest.raises(UserError, match=message):
        stack("elman", implementation)(*good(), {"h": state})


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("layers", [1, 3])
def test_states_of_another_number_of_layers(layers: int, implementation: Implementation) -> None:
    with pytest.raises(UserError, match=r"state 'h' must be \(3, 2, 5\)\. Got"):
        stack("elman", implementation, layers=2)(*good(), {"h": torch.zeros(B, layers, H)})


@pytest.mark.parametrize("state", [torch.zeros(B, 1, H), (torch.zeros(B, 1, H),) * 2], ids=["h", "(h, c)"])
def test_states_as_torch_takes_them(state: object) -> None:
    with pytest.raises(UserError, match=r"state must be a dictionary of h, c\. Got (Tensor|tuple)"):
        stack("lstm", "kernels")(*good(), state)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_the_second_state_is_checked_too(implementation: Implementation) -> None:
    with pytest.raises(UserError, match=r"state 'c' must be \(3, 1, 5\)\. Got \(3, 1, 6\)"):
        stack("lstm", implementation)(*good(), {"h": torch.zeros(B, 1, H), "c": torch.zeros(B, 1, H + 1)})


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_lengths_on_another_device(implementation: Implementation) -> None:
    """The library would read the address of another device's memory."""
    with pytest.raises(UserError, match=r"lengths must be .*cpu.* Got .*meta"):
        stack("elman", implementation)(good()[0], good()[1].to("meta"))


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_weights_that_were_replaced(implementation: Implementation) -> None:
    layer = stack("lstm", implementation)
    layer.register_parameter("bias_hh_l0", torch.nn.Parameter(torch.zeros(7)))
    with pytest.raises(UserError, match=r"bias_hh must be \(20,\)\. Got \(7,\)"):
        layer(*good())


@pytest.mark.parametrize("kernels", builds.available_builds())
def test_every_build_refuses_wrong_lengths(kernels: str) -> None:
    with builds.use_build(kernels):
        layer = stack("gru-reset-before", "kernels")
        with pytest.raises(ValueError, match=r"within 0 to 8\. Got 9"):
            layer(good()[0], torch.tensor([9, 9, 9]))
        y, _, _ = layer(*good())
        assert y.isfinite().all()
