"""One layer in one direction over time: by the native library, by torch's functions, or by the equations.

Legend: B batch size, T steps, E inputs, H units, G gates. With `lengths` the final state of a sequence is
that after its own last token; without, it is the state after step T.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from seqlab.data.sequences import length_mask
from seqlab.nn.cells import CELLS, Cell, States, Weights
from seqlab.nn.embedding import Lookup, vectors_of
from seqlab.nn.implementation import Implementation
from seqlab.nn.layer_inputs import check_layer
from seqlab.nn.native.binding import Library
from seqlab.nn.native.builds import library_for
from seqlab.nn.native.recurrence import Hidden, native_scan, reads_tokens
from seqlab.nn.padding import flip_rows, last_token, zero_padding
from seqlab.nn.unrolled import gru_reset_before_scan

Lengths = Int[Tensor, " B"] | None
TorchScan = Callable[[Tensor, Tensor | None, States, Weights], tuple[Tensor, States]]

MIN_TOKENS = 16
"""The smallest batch, in tokens, for the native library: packing the weights in each call takes longer than a
smaller batch gains."""
SATURATED = 1e4
"""The logistic function is exactly 0 at minus this number, exactly 1 at plus it, in float32 and float64."""


@dataclass(frozen=True)
class Scan:
    """How a layer is computed over time.

    cell: a key of `CELLS`, or the name of `own`.
    implementation: what computes it; `own` is always computed by its equations.
    reverse: whether each sequence is read from its last token to its first; output t still belongs to
        token t.
    need_state: False leaves the final state undefined, which saves its computation.
    hidden: called in the backward pass with dL/dh_t of every step; None if they are not needed.
    own: the equations of a cell that is not in `CELLS`, which are the only way to compute it; else None.
    """

    cell: str
    implementation: Implementation
    reverse: bool = False
    need_state: bool = True
    hidden: Hidden | None = None
    own: Cell | None = None

    def __call__(
        self, x: Float[Tensor, "B T E"] | Lookup, lengths: Lengths, state: States, weights: Weights
    ) -> tuple[Float[Tensor, "B T H"], States]:
        """Outputs, zero at padding, and the states after each sequence's last token.

        Lengths must be within 0 to T. That is not checked here: a stack of layers checks them once, with
        `ragged_lengths`.

        Raises:
            UserError: shapes, types or devices do not fit each other.
        """
        check_layer(x, state, weights)
        if not x.shape[1]:
            return _no_steps(x, state, weights)
        implementation = self.implementation if self.own is None else "equations"
        native = _native(x, state, weights) if implementation == "kernels" else None
        if isinstance(x, Lookup) and (native is None or not reads_tokens(native, self.cell, x, state[0])):
            x = x.vectors
        if native is not None:
            return native_scan(
                native, self.cell, x, lengths, state, weights, reverse=self.reverse, hidden=self.hidden
            )
        assert isinstance(x, Tensor), "only the native library reads tables"
        # Padding comes after all tokens, also in reverse (`flip_rows`), so no output depends on it, and
        # lengths matter for the final state only. But its gradients, all zero, are multiplied by its content.
        x = x if lengths is None else zero_padding(x, lengths)
        x = _reversed(x, lengths) if self.reverse else x
        ragged = lengths if self.need_state else None
        if implementation != "equations" and self.hidden is None:
            y, final = TORCH_SCANS[self.cell](x, ragged, state, weights)
        else:
            # torch's functions do not expose dL/dh_t of single steps.
            hidden = self._in_token_order(lengths)
            y, final = equation_scan(self.own or CELLS[self.cell], x, lengths, state, weights, hidden)
        y = _reversed(y, lengths) if self.reverse else y
        return (y if lengths is None else zero_padding(y, lengths)), final

    def _in_token_order(self, lengths: Lengths) -> Hidden | None:
        """A callback for gradients in reading order that calls `hidden` with them in token order."""
        hidden, reverse = self.hidden, self.reverse
        if hidden is None:
            return None

        def receive(gradient: Tensor) -> None:
            gradient = _reversed(gradient, lengths) if reverse else gradient
            hidden(gradient if lengths is None else zero_padding(gradient, lengths))

        return receive


def _no_steps(
    x: Float[Tensor, "B T E"] | Lookup, state: States, weights: Weights
) -> tuple[Float[Tensor, "B T H"], States]:
    """No outputs, and the states as they were; part of the graph as any outputs are."""
    products = functional.linear(vectors_of(x), weights.weight_ih)
    return products[..., : weights.weight_hh.shape[1]], state


def _native(x: Tensor | Lookup, state: States, weights: Weights) -> Library | None:
    """The native library where it applies and is faster than torch."""
    large = x.shape[1] > 1 and x.shape[0] * x.shape[1] >= MIN_TOKENS
    return library_for(x, *state, *weights) if large else None


def _reversed(x: Tensor, lengths: Lengths) -> Tensor:
    return x.flip(1) if lengths is None else flip_rows(x, lengths)


def equation_scan(  # noqa: PLR0917 (as every scan, after the cell)
    cell: Cell,
    x: Float[Tensor, "B T E"],
    lengths: Lengths,
    state: States,
    weights: Weights,
    hidden: Hidden | None = None,
) -> tuple[Float[Tensor, "B T H"], States]:
    """The cell's step in a loop over time, after one product with all inputs.

    Outputs at padding are undefined.
    """
    step = cell.equations(weights)
    inputs = functional.linear(x, weights.weight_ih, weights.bias_ih).unbind(1)
    # Steps at padding leave the state unchanged, so the loop ends with each sequence's own final state.
    real = None if lengths is None else length_mask(lengths, x.shape[1]).unsqueeze(2).unbind(1)
    outputs: list[Tensor] = []
    for t, x_t in enumerate(inputs):
        new = step(x_t, state)
        state = new if real is None else _advance(real[t], new, state)
        outputs.append(state[0])
    if hidden is not None:
        _call_in_backward(outputs, hidden)
    return torch.stack(outputs, dim=1), state


def _call_in_backward(outputs: list[Float[Tensor, "B H"]], hidden: Hidden) -> None:
    """Collect the gradient of each step; call `hidden` at the first step, which the gradient reaches last."""
    gradients = [torch.zeros_like(h) for h in outputs]

    def keep(t: int, gradient: Tensor) -> None:
        gradients[t] = gradient
        if t == 0:
            hidden(torch.stack(gradients, dim=1))

    for t, h in enumerate(outputs):
        if h.requires_grad:
            h.register_hook(lambda gradient, t=t: keep(t, gradient))


def _advance(real: Tensor, new: States, old: States) -> States:
    return tuple(torch.where(real, n, o) for n, o in zip(new, old, strict=True))


def _one_state_scan(function: Callable[..., tuple[Tensor, Tensor]]) -> TorchScan:
    """The scan by a torch function, for a cell whose only state is its output."""

    def scan(
        x: Float[Tensor, "B T E"], lengths: Lengths, state: States, weights: Weights
    ) -> tuple[Float[Tensor, "B T H"], States]:
        h0 = state[0].unsqueeze(0).contiguous()
        y, h = function(x, h0, *_torch_arguments(weights))
        return y, (_final_hidden(y, lengths, state[0], h.squeeze(0)),)

    return scan


def _lstm_scan(
    x: Float[Tensor, "B T E"], lengths: Lengths, state: States, weights: Weights
) -> tuple[Float[Tensor, "B T H"], States]:
    if lengths is not None:
        x, weights = _keep_cell_at_padding(x, lengths, weights)
    h0, c0 = (tensor.unsqueeze(0).contiguous() for tensor in state)
    y, h, c = torch.lstm(x, (h0, c0), *_torch_arguments(weights))
    return y, (_final_hidden(y, lengths, state[0], h.squeeze(0)), c.squeeze(0))


def _keep_cell_at_padding(
    x: Float[Tensor, "B T E"], lengths: Int[Tensor, " B"], weights: Weights
) -> tuple[Float[Tensor, "B T E+1"], Weights]:
    """Add an input that is 1 at padding and there closes the input gate and opens the forget gate.

    At padding c_t = 1 * c_(t-1) + 0 * g, so torch's c_T is the final cell state of each sequence, gradients
    included; padding must be zero, because large content could outweigh the switch. torch returns c of the
    last step only, so it cannot be read at each length, as h can. Computing groups of equal length gives the
    same result and takes a fifth longer; `pack_padded_sequence` takes three times as long.
    """
    padding = ~length_mask(lengths, x.shape[1]).unsqueeze(2)
    H = weights.weight_hh.shape[1]
    switch = x.new_zeros(4 * H, 1)
    switch[:H] = -SATURATED
    switch[H : 2 * H] = SATURATED
    inputs = torch.cat([x, padding.to(x.dtype)], dim=2)
    return inputs, weights._replace(weight_ih=torch.cat([weights.weight_ih, switch], dim=1))


def _final_hidden(y: Tensor, lengths: Tensor | None, initial: Tensor, last: Tensor) -> Tensor:
    return last if lengths is None else last_token(y, lengths, initial)


def _torch_arguments(weights: Weights) -> tuple[Any, ...]:
    """The last arguments of torch's functions.

    In order: params, has_biases, num_layers, dropout, train, bidirectional, batch_first. `train` is true
    whenever gradients are enabled, in evaluation, too: only then torch saves what the backward pass needs.
    """
    # torch's cells have both biases or none.
    second = torch.zeros_like(weights.bias_ih) if weights.bias_hh is None else weights.bias_hh
    return [*weights[:3], second], True, 1, 0.0, torch.is_grad_enabled(), False, True


TORCH_SCANS: Mapping[str, TorchScan] = {
    "elman": _one_state_scan(torch.rnn_tanh),
    "elman-concat": _one_state_scan(torch.rnn_tanh),
    "elman-relu": _one_state_scan(torch.rnn_relu),
    "gru": _one_state_scan(torch.gru),
    "gru-reset-before": gru_reset_before_scan,
    "lstm": _lstm_scan,
}
