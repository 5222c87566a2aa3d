"""One layer in one direction over time: by the equations, and fast through torch.

Legend: B rows, T steps, E inputs, H units. With `lengths` the final state is each row's own, behind its
last token; without, it is the state behind step T. Outputs behind a row's length are not defined here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from seqlab.nn.cells import Cell, States, Weights
from seqlab.nn.padding import last_token, length_mask, zero_padding
from seqlab.nn.unrolled import gru_before_scan

Lengths = Int[Tensor, " B"] | None
FastScan = Callable[[Tensor, Tensor | None, States, Weights], tuple[Tensor, States]]

SHUT = 1e4
"""At minus this the logistic function is exactly 0, at plus exactly 1, whatever the precision."""


def equation_scan(
    cell: Cell, x: Float[Tensor, "B T E"], lengths: Lengths, state: States, weights: Weights
) -> tuple[Float[Tensor, "B T H"], States]:
    """The cell's step in a loop over time; the products with the inputs are done before it."""
    step = cell.equations(weights)
    inputs = functional.linear(x, weights.weight_ih, weights.bias_ih).unbind(1)
    real = None if lengths is None else length_mask(lengths, x.shape[1]).unsqueeze(2).unbind(1)
    outputs: list[Tensor] = []
    for t, x_t in enumerate(inputs):
        new = step(x_t, state)
        state = new if real is None else _advance(real[t], new, state)
        outputs.append(state[0])
    return torch.stack(outputs, dim=1), state


def _advance(real: Tensor, new: States, old: States) -> States:
    return tuple(torch.where(real, n, o) for n, o in zip(new, old, strict=True))


def _hidden_scan(through: Callable[..., tuple[Tensor, Tensor]]) -> FastScan:
    """A torch function of a cell whose only state is its output."""

    def scan(
        x: Float[Tensor, "B T E"], lengths: Lengths, state: States, weights: Weights
    ) -> tuple[Float[Tensor, "B T H"], States]:
        h0 = state[0].unsqueeze(0).contiguous()
        y, h = through(x, h0, *_settings(weights))
        return y, (_final_hidden(y, lengths, state[0], h.squeeze(0)),)

    return scan


def _lstm_scan(
    x: Float[Tensor, "B T E"], lengths: Lengths, state: States, weights: Weights
) -> tuple[Float[Tensor, "B T H"], States]:
    if lengths is not None:
        x, weights = _hold_cell_in_padding(x, lengths, weights)
    h0, c0 = (tensor.unsqueeze(0).contiguous() for tensor in state)
    y, h, c = torch.lstm(x, (h0, c0), *_settings(weights))
    return y, (_final_hidden(y, lengths, state[0], h.squeeze(0)), c.squeeze(0))


def _hold_cell_in_padding(
    x: Float[Tensor, "B T E"], lengths: Int[Tensor, " B"], weights: Weights
) -> tuple[Float[Tensor, "B T E+1"], Weights]:
    """One more input, 1 in the padding, that shuts the input gate and opens the forget gate.

    There c_t = 1 * c + 0 * g, so torch's c_T is each row's own final cell, gradients included. Running
    the rows in groups of equal length gives the same but costs a fifth more; packing costs three times.
    """
    padding = ~length_mask(lengths, x.shape[1]).unsqueeze(2)
    hidden = weights.weight_hh.shape[1]
    switch = x.new_zeros(4 * hidden, 1)
    switch[:hidden] = -SHUT
    switch[hidden : 2 * hidden] = SHUT
    held = torch.cat([zero_padding(x, lengths), padding.to(x.dtype)], dim=2)
    return held, weights._replace(weight_ih=torch.cat([weights.weight_ih, switch], dim=1))


def _final_hidden(y: Tensor, lengths: Tensor | None, initial: Tensor, last: Tensor) -> Tensor:
    return last if lengths is None else last_token(y, lengths, initial)


def _settings(weights: Weights) -> tuple[Any, ...]:
    """The arguments torch's functions end with.

    In order: weights, that there are biases, layers, dropout, training, both directions, batch first.
    Training is on whenever there are gradients: torch keeps what they need only then.
    """
    return list(weights), True, 1, 0.0, torch.is_grad_enabled(), False, True


FAST_SCANS: Mapping[str, FastScan] = {
    "elman": _hidden_scan(torch.rnn_tanh),
    "elman-relu": _hidden_scan(torch.rnn_relu),
    "gru-after": _hidden_scan(torch.gru),
    "gru-before": gru_before_scan,
    "lstm": _lstm_scan,
}
