"""Stacked recurrent layers. Legend: B batch size, T steps, E inputs, H units, L layers, D directions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from typing_extensions import override

from seqlab.nn.cells import CELLS, States, Weights
from seqlab.nn.connection import Connection
from seqlab.nn.dropout import Dropout
from seqlab.nn.embedding import Lookup, vectors_of
from seqlab.nn.gates import BoundedActivation, bounded_activations, tokens_read
from seqlab.nn.implementation import Implementation
from seqlab.nn.layer import Layer, LayerGroup
from seqlab.nn.layer_inputs import check_inputs, check_states, ragged_lengths
from seqlab.nn.native.recurrence import Hidden
from seqlab.nn.own_cell import own_cell
from seqlab.nn.scan import Scan
from seqlab.nn.sizes import check_sizes, require_numbers
from seqlab.nn.stack_options import PLAIN_STACK, StackOptions
from seqlab.nn.trace import Traceable
from seqlab.schema.errors import UserError, unknown
from seqlab.schema.own_code import label, names_code


class RecurrentStack(Layer, Traceable):
    """L layers of one cell (equations in `cells`), each of which reads the outputs of the one below.

    With two directions a layer's output is [forward, backward] at each token; the backward direction starts
    at each sequence's own last token. Dropout acts on the inputs of layers after the first, never on the
    recurrence. Parameters are named, ordered and drawn (U(-1/sqrt(H), 1/sqrt(H))) as in torch.nn.RNN, GRU and
    LSTM, so state dicts interchange where the equations are the same; `gru-reset-before` and `elman-concat`
    have no `bias_hh`, and the latter is drawn as torch.nn.Linear over E + H features.

    Args:
        cell: a key of `cells.CELLS`, or a cell of one's own as FILE.py:NAME (see `own_cell`), which is
            computed by its equations.
        input_size: E.
        hidden_size: H.
        layers: L.
        bidirectional: whether D is 2.
        dropout: fraction of a layer's outputs dropped before the next layer reads them.
        summed: whether the output is the sum of all layers' outputs instead of the last one's.
        forget_bias: added to the initial bias of the gate that keeps the old state, an LSTM's forget gate or
            a GRU's update gate, with the sign that keeps more (Gers et al. 2000).
        options: what the layers have beside their cells.
        generator: source of the weights.
        implementation: what computes the cell over time (see `implementation`); equal results but for
            rounding.

    Raises:
        UserError: the cell or implementation is unknown, the cell has no gate for `forget_bias` or no weights
            for weight drop, or is one of one's own that torch is to compute, or a size or dropout is not
            within its range.
    """

    def __init__(
        self,
        cell: str,
        input_size: int,
        hidden_size: int,
        *,
        layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        summed: bool = False,
        forget_bias: float = 0.0,
        options: StackOptions = PLAIN_STACK,
        generator: torch.Generator,
        implementation: Implementation = "kernels",
    ):
        super().__init__()
        own = own_cell(cell) if names_code(cell) else None
        if own is None and (not isinstance(cell, str) or cell not in CELLS):
            raise unknown("cell", str(cell), CELLS)
        self.cell_name, self._own, self.cell = cell if own is None else label(cell), own, own or CELLS[cell]
        self._check_forget_bias(forget_bias)
        self._check_weight_drop(options.weight_drop)
        self._check_implementation(implementation)
        sizes = {"input_size": input_size, "hidden_size": hidden_size, "layers": layers}
        check_sizes(sizes)
        directions = 2 if bidirectional else 1
        per_unit = self.cell.gates * hidden_size * directions
        require_numbers(per_unit * (layers * hidden_size + input_size), sizes)
        self.implementation: Implementation = implementation
        self.input_size, self.hidden_size, self.layers = input_size, hidden_size, layers
        self.suffixes = ("", "_reverse") if bidirectional else ("",)
        self.bidirectional = bidirectional
        self.causal = self.carries_state = not bidirectional
        self.dropout = Dropout(dropout, locked=options.locked)
        self.weight_drop = Dropout(options.weight_drop)
        self.summed, self.learned_start = summed, options.learned_start
        assert not options.residual or input_size == self.output_size, "a residual has the size of its layer"
        for layer in range(layers):
            self._add_layer(layer, forget_bias, generator)
        self.connections = nn.ModuleList(
            Connection(self.output_size, layer_norm=options.layer_norm, residual=options.residual)
            for _ in range(layers)
        )

    @property
    def output_size(self) -> int:
        """D * H; see `Layer.output_size`."""
        return len(self.suffixes) * self.hidden_size

    def start(self, batch_size: int) -> dict[str, Float[Tensor, "B LD H"]]:
        """The state before the first token: zeros, or what is learned."""
        check_sizes({"batch_size": batch_size}, least=0)
        states = len(self.cell.states) * self.layers * len(self.suffixes)
        require_numbers(batch_size * states * self.hidden_size, {"batch_size": batch_size})
        shape = (batch_size, self.layers * len(self.suffixes), self.hidden_size)
        if self.learned_start:
            return {name: self._start(name).expand(shape) for name in self.cell.states}
        weight = self._weights(0, "").weight_hh
        return {name: weight.new_zeros(shape) for name in self.cell.states}

    def forward(
        self,
        x: Float[Tensor, "B T E"] | Lookup,
        lengths: Int[Tensor, " B"],
        state: dict[str, Float[Tensor, "B LD H"]] | None = None,
        *,
        need_state: bool = True,
    ) -> tuple[Float[Tensor, "B T DH"], Int[Tensor, " B"], dict[str, Float[Tensor, "B LD H"]] | None]:
        """Outputs of the last layer, or the sum of all, and the states after each sequence's last token.

        Args:
            x: inputs; the content of padding changes nothing.
            lengths: tokens of each sequence, 0 to T; with length 0 the state stays unchanged.
            state: the state to continue from, by name, layer by layer, for each layer forward before
                backward; `start` when None.
            need_state: False returns None as the state, which saves its computation.

        Returns:
            Outputs, zero at padding, the lengths, and the new state.

        Raises:
            UserError: shapes, types or devices do not fit the layer, a state is missing, or lengths are not
                within 0 to T.
        """
        check_inputs(x, self._weights(0, "").weight_ih)
        ragged = ragged_lengths(lengths, x)
        state = self.start(x.shape[0]) if state is None else state
        shape = (x.shape[0], self.layers * len(self.suffixes), self.hidden_size)
        check_states(state, self.start(0), dict.fromkeys(self.cell.states, shape))
        finals: list[States] = []
        total: Tensor | None = None
        if self.trace is not None:
            self.trace.begin(lengths, state[self.cell.states[0]].detach())
        for layer in range(self.layers):
            read = x if isinstance(x, Lookup) or layer == 0 else self.dropout(x)
            if self.trace is not None:
                self.trace.inputs.append(vectors_of(read).detach())
            outputs: list[Tensor] = []
            for direction in range(len(self.suffixes)):
                y, final = self._scan(read, ragged, state, (layer, direction), need_state)
                outputs.append(y)
                finals.append(final)
            h = outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=2)
            if self.trace is not None:
                self.trace.layer(h)
            joined: Tensor = self.connections[layer](x, h, ragged)
            if self.summed:
                total = joined if total is None else total + joined
            x = joined
        assert isinstance(x, Tensor), "there is at least one layer"
        return x if total is None else total, lengths, self._join(finals) if need_state else None

    def layer_groups(self) -> list[LayerGroup]:
        """One group for each layer, of both directions; see `Layer.layer_groups`."""
        named = list(self.named_parameters())
        groups: list[LayerGroup] = []
        for layer in reversed(range(self.layers)):
            ends = tuple(f"_l{layer}{suffix}" for suffix in self.suffixes)
            group = tuple(parameter for name, parameter in named if name.endswith(ends))
            group = (*group, *self.connections[layer].parameters())
            groups.append(LayerGroup(f"body layer {layer + 1}", group))
        return groups

    @override
    def bounded_activations(self) -> Sequence[tuple[int, BoundedActivation]]:
        trace, found, D = self.trace, list[tuple[int, BoundedActivation]](), len(self.suffixes)
        assert trace is not None, "asked while it is traced"
        for layer, (x, y) in enumerate(zip(trace.inputs, trace.states, strict=True)):
            for direction, (suffix, after) in enumerate(zip(self.suffixes, y.chunk(D, dim=2), strict=True)):
                start = trace.initial[:, layer * D + direction]
                read = tokens_read(x, after, start, trace.lengths, reverse=direction == 1)
                each = bounded_activations(self.cell_name, self._weights(layer, suffix), read)
                found += [(layer + 1, one.named(suffix)) for one in each]
        return found

    def extra_repr(self) -> str:
        """The settings, as `print(model)` shows them."""
        directions = len(self.suffixes)
        return f"{self.cell_name}, {self.input_size}, {self.hidden_size}, layers={self.layers}, {directions=}"

    def _check_forget_bias(self, forget_bias: float) -> None:
        if forget_bias and self.cell.keeps is None:
            why = (
                "which has no gates"
                if self._own is None
                else "of which it is not known which gate keeps the state"
            )
            raise UserError(
                f"'forget_bias' must be 0 for the cell {self.cell_name!r}, {why}. Got {forget_bias:g}."
            )

    def _check_weight_drop(self, weight_drop: float) -> None:
        if weight_drop and not self.cell.recurrent:
            raise UserError(
                f"'weight_drop' must be 0 for the cell {self.cell_name!r}, which has no recurrent weights. "
                f"Got {weight_drop:g}."
            )

    def _check_implementation(self, implementation: str) -> None:
        if implementation not in get_args(Implementation):
            raise unknown("implementation", str(implementation), get_args(Implementation))
        if implementation == "torch" and self._own is not None:
            raise UserError(
                f"'implementation' must be 'equations' for the cell {self.cell_name!r}, which torch does not "
                "have. Got 'torch'."
            )

    def _add_layer(self, layer: int, forget_bias: float, generator: torch.Generator) -> None:
        rows = self.cell.gates * self.hidden_size
        inputs = self.input_size if layer == 0 else self.output_size
        shapes = {"weight_ih": (rows, inputs), "weight_hh": (rows, self.hidden_size), "bias_ih": (rows,)}
        if self.cell.two_biases:
            shapes["bias_hh"] = (rows,)
        starts = self.cell.states if self.learned_start else ()
        bound = 1 / math.sqrt(self.hidden_size + (inputs if self.cell.concatenates else 0))
        for suffix in self.suffixes:
            for name, shape in shapes.items():
                weight = torch.empty(shape).uniform_(-bound, bound, generator=generator)
                if name == "bias_ih" and self.cell.keeps is not None:
                    gate, sign = self.cell.keeps
                    weight[gate * self.hidden_size : (gate + 1) * self.hidden_size] += sign * forget_bias
                self.register_parameter(f"{name}_l{layer}{suffix}", nn.Parameter(weight))
            for name in starts:
                start = nn.Parameter(torch.zeros(self.hidden_size))
                self.register_parameter(f"start_{name}_l{layer}{suffix}", start)

    def _start(self, name: str) -> Float[Tensor, "LD H"]:
        """The learned state of this name."""
        ends = [f"_l{layer}{suffix}" for layer in range(self.layers) for suffix in self.suffixes]
        return torch.stack([getattr(self, f"start_{name}{end}") for end in ends])

    def _weights(self, layer: int, suffix: str) -> Weights:
        names = Weights._fields if self.cell.two_biases else Weights._fields[:-1]
        return Weights(*(getattr(self, f"{name}_l{layer}{suffix}") for name in names))

    def _scan(
        self,
        x: Tensor | Lookup,
        ragged: Tensor | None,
        state: dict[str, Tensor],
        at: tuple[int, int],
        need_state: bool,
    ) -> tuple[Tensor, States]:
        """One layer in one direction."""
        layer, direction = at
        weights = self._weights(layer, self.suffixes[direction])
        weights = weights._replace(weight_hh=self.weight_drop(weights.weight_hh))
        initial = tuple(state[name][:, layer * len(self.suffixes) + direction] for name in self.cell.states)
        hidden = self._hidden(layer, direction)
        scan = Scan(
            self.cell_name,
            self.implementation,
            reverse=direction == 1,
            need_state=need_state,
            hidden=hidden,
            own=self._own,
        )
        return scan(x, ragged, initial, weights)

    def _hidden(self, layer: int, direction: int) -> Hidden | None:
        """The callback that records the gradients of a layer's states, if there is a trace."""
        trace, H = self.trace, self.hidden_size
        if trace is None:
            return None

        def take(gradient: Tensor) -> None:
            trace.gradients[layer][..., direction * H : (direction + 1) * H] = gradient

        return take

    def _join(self, finals: list[States]) -> dict[str, Tensor]:
        """The states of all layers and directions as one tensor for each name."""
        if len(finals) == 1:
            # A view: `torch.stack` would copy.
            stacked = [tensor.unsqueeze(1) for tensor in finals[0]]
        else:
            stacked = [torch.stack(tensors, dim=1) for tensors in zip(*finals, strict=True)]
        return dict(zip(self.cell.states, stacked, strict=True))
