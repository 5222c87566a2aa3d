"""One layer in one direction over time: by the native library, through torch, or by the equations.

Legend: B rows, T steps, E inputs, H units. With `lengths` the final state is each row's own, behind its
last token; without, it is the state behind step T.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from seqlab.data.sequences import length_mask
from seqlab.nn.cells import CELLS, Cell, States, Weights
from seqlab.nn.embedding import Lookup
from seqlab.nn.layer_inputs import check_layer
from seqlab.nn.native.binding import Library
from seqlab.nn.native.builds import library
from seqlab.nn.native.recurrence import Hidden, native_scan, reads_tokens
from seqlab.nn.padding import flip_rows, last_token, zero_padding
from seqlab.nn.unrolled import gru_reset_before_scan

Lengths = Int[Tensor, " B"] | None
TorchScan = Callable[[Tensor, Tensor | None, States, Weights], tuple[Tensor, States]]
Path = Literal["fast", "reference"]

WORTH_PACKING = 16
"""Tokens from which on it pays that the native library brings the weights into its order in each call."""
SHUT = 1e4
"""At minus this the logistic function is exactly 0, at plus exactly 1, whatever the precision."""


@dataclass(frozen=True)
class Scan:
    """How a layer is to be gone through.

    cell: a key of `CELLS`.
    path: "fast" takes the native library where it can, torch's functions elsewhere; "reference" the
        equations.
    reverse: whether each row is read from its last token to its first; output t is still that of token t.
    need_state: False leaves the final state undefined, and does no work for it.
    hidden: called in the backward pass with dL/dh of every step; None if nobody asks.
    """

    cell: str
    path: Path
    reverse: bool = False
    need_state: bool = True
    hidden: Hidden | None = None

    def __call__(
        self, x: Float[Tensor, "B T E"] | Lookup, lengths: Lengths, state: States, weights: Weights
    ) -> tuple[Float[Tensor, "B T H"], States]:
        """Outputs, zero behind each row's length, and the states behind each row's last token.

        Lengths are within 0 to T: whoever goes through several layers looks at them once, by
        `ragged_lengths`.

        Raises:
            UserError: shapes, types or devices do not fit each other.
        """
        check_layer(x, state, weights)
        native = _native(x, state, weights) if self.path == "fast" else None
        if isinstance(x, Lookup) and (native is None or not reads_tokens(native, self.cell, x, state[0])):
            x = x.vectors
        if native is not None:
            return native_scan(
                native, self.cell, x, lengths, state, weights, reverse=self.reverse, hidden=self.hidden
            )
        assert isinstance(x, Tensor), "the library alone reads tables"
        x = _reversed(x, lengths) if self.reverse else x
        # Padding stands behind every token, so outputs are right without a look at the lengths.
        ragged = lengths if self.need_state else None
        if self.path == "fast" and self.hidden is None:
            y, final = TORCH_SCANS[self.cell](x, ragged, state, weights)
        else:
            y, final = equation_scan(CELLS[self.cell], x, lengths, state, weights, self._told(lengths))
        y = _reversed(y, lengths) if self.reverse else y
        return (y if lengths is None else zero_padding(y, lengths)), final

    def _told(self, lengths: Lengths) -> Hidden | None:
        """`hidden` for gradients in the order of reading, of padding, too."""
        hidden, reverse = self.hidden, self.reverse
        if hidden is None:
            return None

        def told(gradient: Tensor) -> None:
            gradient = _reversed(gradient, lengths) if reverse else gradient
            hidden(gradient if lengths is None else zero_padding(gradient, lengths))

        return told


def _native(x: Tensor | Lookup, state: States, weights: Weights) -> Library | None:
    """The native library where it can do the work, and where that is worth packing the weights."""
    tensors = (x, *state, *weights)
    alike = all(t is None or (t.dtype == torch.float32 and t.device.type == "cpu") for t in tensors)
    worth = x.shape[1] > 1 and x.shape[0] * x.shape[1] >= WORTH_PACKING
    return library() if alike and worth else None


def _reversed(x: Tensor, lengths: Lengths) -> Tensor:
    return x.flip(1) if lengths is None else flip_rows(x, lengths)


def equation_scan(  # noqa: PLR0917 (as every scan, and the cell before)
    cell: Cell,
    x: Float[Tensor, "B T E"],
    lengths: Lengths,
    state: States,
    weights: Weights,
    hidden: Hidden | None = None,
) -> tuple[Float[Tensor, "B T H"], States]:
    """The cell's step in a loop over time; the products with the inputs are done before it.

    What stands behind a row's length in the outputs is not defined.
    """
    step = cell.equations(weights)
    inputs = functional.linear(x, weights.weight_ih, weights.bias_ih).unbind(1)
    real = None if lengths is None else length_mask(lengths, x.shape[1]).unsqueeze(2).unbind(1)
    outputs: list[Tensor] = []
    for t, x_t in enumerate(inputs):
        new = step(x_t, state)
        state = new if real is None else _advance(real[t], new, state)
        outputs.append(state[0])
    if hidden is not None:
        _tell(outputs, hidden)
    return torch.stack(outputs, dim=1), state


def _tell(outputs: list[Float[Tensor, "B H"]], hidden: Hidden) -> None:
    """Call `hidden` when the gradient has come to the first step, which is the last one it comes to."""
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


def _hidden_scan(through: Callable[..., tuple[Tensor, Tensor]]) -> TorchScan:
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


TORCH_SCANS: Mapping[str, TorchScan] = {
    "elman": _hidden_scan(torch.rnn_tanh),
    "elman-relu": _hidden_scan(torch.rnn_relu),
    "gru": _hidden_scan(torch.gru),
    "gru-reset-before": gru_reset_before_scan,
    "lstm": _lstm_scan,
}
