"""A recurrent cell of one's own: its equations as a function. Legend: B batch size, H units, G gates.

    def minimal_gated_unit(x, h, u):
        f = torch.sigmoid(x.f + u.f(h))
        n = torch.tanh(x.n + u.n(f * h))
        return (1 - f) * h + f * n

`x.f` is W_f x_t + b_f (B, H) of a gate that is called f, `u.f(h)` is U_f h (B, H); the parameters between x
and u are the states (B, H). A function of several states returns a tuple of the new ones, the output first.
Gates are those that the function names, in the order in which it reads them; a class has the function as its
method `step`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from seqlab.nn.cells import Cell, States, Step, Weights
from seqlab.schema import own_code
from seqlab.schema.own_arguments import read_parameters
from seqlab.schema.own_code import OwnCode, OwnCodeError

_ROWS, _UNITS = 3, 4
"""Sizes with which a cell is tried."""
_TOLERANCE = 1e-5
"""Largest difference of a row alone and in a batch, from rounding in float32."""


def own_cell(value: str) -> Cell:
    """The cell `FILE.py:NAME`, tried once on random numbers.

    Raises:
        UserError: there is no such file or name.
        OwnCodeError: the equations fail, do not return each state with its shape, or mix the rows of a batch.
    """
    code = own_code.load(value)
    equations = _function(code)
    states = _states(code, equations)
    gates, recurrent = _gates(code, equations, len(states))

    def with_weights(weights: Weights) -> Step:
        return _step(code, equations, gates, weights)

    _try(code, with_weights, len(gates), len(states))
    return Cell(len(gates), states, two_biases=False, equations=with_weights, recurrent=recurrent)


def _function(code: OwnCode) -> Callable[..., Any]:
    """The equations: the function itself, or the method `step` of an object of the class."""
    if not inspect.isclass(code.value):
        return code.value
    with code.errors("it was made, without arguments"):
        made = code.value()
    step = getattr(made, "step", None)
    if not callable(step):
        raise OwnCodeError(
            f"{code.label} must have a method step(self, x, h, u), or be a function of (x, h, u). Got "
            "neither."
        )
    return step


def _states(code: OwnCode, equations: Callable[..., Any]) -> tuple[str, ...]:
    names = tuple(read_parameters(code, equations))
    if len(names) < 3:
        raise OwnCodeError(
            f"{code.label} must be a function of the inputs, at least one state, and the recurrent weights, "
            f"as in (x, h, u). Got ({', '.join(names)})."
        )
    return names[1:-1]


class _Recorder:
    """Records which gates are read, and answers each with zeros or with a function that gives zeros."""

    def __init__(self, names: dict[str, None], answer: Any):
        self._names, self._answer = names, answer

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        self._names.setdefault(name)
        return self._answer


def _gates(code: OwnCode, equations: Callable[..., Any], states: int) -> tuple[tuple[str, ...], bool]:
    """The names of the gates, in the order in which the equations read them.

    Returns:
        The names, and whether recurrent weights of any of them multiply a state.
    """
    zeros = torch.zeros(_ROWS, _UNITS, device="cpu")
    names: dict[str, None] = {}
    multiplied: list[Tensor] = []

    def product(state: Tensor) -> Tensor:
        multiplied.append(state)
        return torch.zeros_like(state)

    with code.errors("its gates were read"), torch.no_grad():
        equations(_Recorder(names, zeros), *[zeros] * states, _Recorder(names, product))
    if not names:
        raise OwnCodeError(f"{code.label} must read at least one gate, as in x.f and u.f(h). Got none.")
    return tuple(names), bool(multiplied)


def _step(code: OwnCode, equations: Callable[..., Any], gates: Sequence[str], weights: Weights) -> Step:
    """The equations with these weights."""
    blocks = weights.weight_hh.chunk(len(gates), dim=0)
    recurrent = SimpleNamespace(
        **{gate: _product(block) for gate, block in zip(gates, blocks, strict=True)},
    )

    def step(x: Float[Tensor, "B GH"], state: States) -> States:
        inputs = SimpleNamespace(**dict(zip(gates, x.chunk(len(gates), dim=1), strict=True)))
        with code.errors("a step was computed"):
            new = equations(inputs, *state, recurrent)
        return _checked(code, new, state)

    return step


def _product(weight: Float[Tensor, "H H"]) -> Callable[[Tensor], Tensor]:
    return lambda state: functional.linear(state, weight)


def _checked(code: OwnCode, new: Any, state: States) -> States:
    """The new states, which must have the shapes, the type and the device of the old ones."""
    states = new if isinstance(new, tuple) else (new,)
    got = [_kind(each) if isinstance(each, Tensor) else type(each).__name__ for each in states]
    expected = [_kind(each) for each in state]
    if got != expected:
        raise OwnCodeError(
            f"{code.label} must return the new states as it was given the old ones: {', '.join(expected)}. "
            f"Got {', '.join(got)}."
        )
    return states


def _kind(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')} on {tensor.device}"


@torch.no_grad()
def _try(code: OwnCode, equations: Callable[[Weights], Step], gates: int, states: int) -> None:
    """One step of random rows, together and alone."""
    random = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random, device="cpu")

    step = equations(Weights(draw(0), draw(gates * _UNITS, _UNITS), draw(0)))
    x, state = draw(_ROWS, gates * _UNITS), tuple(draw(_ROWS, _UNITS) for _ in range(states))
    with torch.random.fork_rng(devices=[]):
        whole = step(x, state)
        alone = step(x[:1], tuple(each[:1] for each in state))
    for name, together, single in zip(("output", *["state"] * states), whole, alone, strict=False):
        difference = (together[:1] - single).abs().max().item()
        if not difference <= _TOLERANCE * max(1.0, single.abs().max().item()):
            raise OwnCodeError(
                f"{code.label} must compute each row of a batch alone, and the same each time. Got another "
                f"{name} for a row in a batch of {_ROWS} than alone (by {difference:.2g})."
            )
