"""Recurrent cells by their equations. Legend: B batch size, H units, G gates, x~ = W x + b_ih.

A cell's equations are a function from weights to a step, `(x~_t, state) -> state`, so that what depends on
the weights alone is computed once per sequence, not at every step. The first state is the output.

In the docstrings h, c are the state before a step, h_t, c_t that after it; s is the logistic function, * the
element-wise product. The weights of the gates are blocks of H rows, in the order that the docstring names,
which is torch's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

States = tuple[Tensor, ...]
Step = Callable[[Tensor, States], States]


class Weights(NamedTuple):
    """Weights of one layer and direction: (G*H, E), (G*H, H), (G*H,), (G*H,) or None."""

    weight_ih: Tensor
    weight_hh: Tensor
    bias_ih: Tensor
    bias_hh: Tensor | None = None


@dataclass(frozen=True)
class Cell:
    """What a stack of layers needs to know of a cell.

    gates: G, the number of blocks of H rows in its weights.
    states: names of its states, the output first.
    two_biases: whether it has `bias_hh` in addition to `bias_ih`, as torch's cells have.
    equations: its step, given the weights.
    keeps: the index of the gate that controls how much of the old state is kept, and the sign: 1 if an open
        gate keeps the state, -1 if it replaces it. None without such a gate.
    concatenates: whether W and U are one linear map of the concatenated input and state, whose E + H features
        then bound the initial weights; else they are drawn as torch's cells draw them.
    recurrent: whether the equations multiply a state by recurrent weights at all.
    """

    gates: int
    states: tuple[str, ...]
    two_biases: bool
    equations: Callable[[Weights], Step]
    keeps: tuple[int, int] | None = None
    concatenates: bool = False
    recurrent: bool = True


def elman_tanh(weights: Weights) -> Step:
    """h_t = tanh(x~_t + U h + b_hh). Elman 1990; torch.nn.RNN(nonlinearity="tanh")."""

    def step(x: Float[Tensor, "B GH"], state: States) -> States:
        return (torch.tanh(x + functional.linear(state[0], weights.weight_hh, weights.bias_hh)),)

    return step


def elman_concat(weights: Weights) -> Step:
    """h_t = tanh(V [x_t, h] + b_ih), one linear map of the concatenation; the layer that courses write.

    V [x_t, h] + b_ih = x~_t + U h with V = [W, U] (H, E + H): Elman's net with one bias. V and the bias are
    drawn from U(-1/sqrt(E + H), 1/sqrt(E + H)), as in torch.nn.Linear(E + H, H).
    """
    return elman_tanh(weights)


def elman_relu(weights: Weights) -> Step:
    """h_t = max(0, x~_t + U h + b_hh). torch.nn.RNN(nonlinearity="relu")."""

    def step(x: Float[Tensor, "B GH"], state: States) -> States:
        return (torch.relu(x + functional.linear(state[0], weights.weight_hh, weights.bias_hh)),)

    return step


def gru_reset_before(weights: Weights) -> Step:
    """GRU whose reset gate acts before the recurrent weights; gates r, z, n; Cho et al. 2014.

    r = s(x~_r + U_r h),  z = s(x~_z + U_z h),  n = tanh(x~_n + U_n (r * h)),
    h_t = (1 - z) * h + z * n: z is the share of the NEW value (torch's z is that of the old one).
    One bias per gate: a second one would only be added to the first.
    """
    H = weights.weight_hh.shape[1]
    # Outside the step: the gradient of a slice is a zero-filled tensor of the full size, once per slice.
    gate_weight, new_weight = weights.weight_hh.split([2 * H, H])

    def step(x: Float[Tensor, "B GH"], state: States) -> States:
        (h,) = state
        x_gates, x_new = x.split([2 * H, H], dim=1)
        r, z = torch.sigmoid(x_gates + functional.linear(h, gate_weight)).chunk(2, dim=1)
        n = torch.tanh(x_new + functional.linear(r * h, new_weight))
        return (h + z * (n - h),)

    return step


def gru(weights: Weights) -> Step:
    """GRU whose reset gate acts after the recurrent weights; gates r, z, n; torch.nn.GRU and cuDNN.

    r = s(x~_r + U_r h + b_r),  z = s(x~_z + U_z h + b_z),  n = tanh(x~_n + r * (U_n h + b_n)),
    h_t = (1 - z) * n + z * h: z is the share of the OLD value. b is `bias_hh`; that of n is multiplied by r,
    so the two biases of n cannot be merged.
    """

    def step(x: Float[Tensor, "B GH"], state: States) -> States:
        (h,) = state
        x_r, x_z, x_n = x.chunk(3, dim=1)
        u_r, u_z, u_n = functional.linear(h, weights.weight_hh, weights.bias_hh).chunk(3, dim=1)
        r, z = torch.sigmoid(x_r + u_r), torch.sigmoid(x_z + u_z)
        n = torch.tanh(x_n + r * u_n)
        return (n + z * (h - n),)

    return step


def lstm(weights: Weights) -> Step:
    """Long short-term memory with a forget gate; gates i, f, g, o; Gers et al. 2000; torch.nn.LSTM.

    (i, f, o) = s(x~ + U h + b_hh),  g = tanh(x~_g + U_g h + b_hh,g),  c_t = f * c + i * g,
    h_t = o * tanh(c_t). States: h, c.
    """

    def step(x: Float[Tensor, "B GH"], state: States) -> States:
        h, c = state
        gates = x + functional.linear(h, weights.weight_hh, weights.bias_hh)
        i, f, g, o = gates.chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c

    return step


CELLS: Mapping[str, Cell] = {
    "elman": Cell(1, ("h",), two_biases=True, equations=elman_tanh),
    "elman-concat": Cell(1, ("h",), two_biases=False, equations=elman_concat, concatenates=True),
    "elman-relu": Cell(1, ("h",), two_biases=True, equations=elman_relu),
    "gru-reset-before": Cell(3, ("h",), two_biases=False, equations=gru_reset_before, keeps=(1, -1)),
    "gru": Cell(3, ("h",), two_biases=True, equations=gru, keeps=(1, 1)),
    "lstm": Cell(4, ("h", "c"), two_biases=True, equations=lstm, keeps=(1, 1)),
}
