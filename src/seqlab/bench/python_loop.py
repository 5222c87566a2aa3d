"""Recurrent networks as textbooks write them: one equation per line, in a Python loop over time and layers.

Legend: B batch, T time steps, E inputs, H units, V vocabulary. [x, h] is the concatenation of x and h. A cell
is a function from an input and its states to its new states, the first of which is its output.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqlab.bench.plain_pytorch import LanguageModelStep, States
from seqlab.bench.workload import RecurrentModelling, TrainingStep, Weights
from seqlab.nn.cells import CELLS as EQUATIONS


class GruCell(nn.Module):
    """A GRU whose reset gate is applied before the recurrent weights.

    r = s(W_r [x, h] + b_r),  z = s(W_z [x, h] + b_z),  n = tanh(W_n [x, r * h] + b_n),
    h' = (1 - z) * h + z * n. Cho et al. 2014.
    """

    gates: ClassVar = ("reset", "update", "new")

    def __init__(self, inputs: int, hidden: int):
        super().__init__()
        self.reset = nn.Linear(inputs + hidden, hidden)
        self.update = nn.Linear(inputs + hidden, hidden)
        self.new = nn.Linear(inputs + hidden, hidden)

    def forward(self, x: Float[Tensor, "B E"], states: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The next h."""
        (h,) = states
        both = torch.cat([x, h], dim=1)
        r = torch.sigmoid(self.reset(both))
        z = torch.sigmoid(self.update(both))
        n = torch.tanh(self.new(torch.cat([x, r * h], dim=1)))
        return ((1 - z) * h + z * n,)


class LstmCell(nn.Module):
    """Long short-term memory with one bias per gate.

    (i, f, o) = s(W [x, h] + b),  n = tanh(W_n [x, h] + b_n),  c' = f * c + i * n,  h' = o * tanh(c').
    Gers et al. 2000.
    """

    gates: ClassVar = ("input", "forget", "new", "output")

    def __init__(self, inputs: int, hidden: int):
        super().__init__()
        self.input = nn.Linear(inputs + hidden, hidden)
        self.forget = nn.Linear(inputs + hidden, hidden)
        self.new = nn.Linear(inputs + hidden, hidden)
        self.output = nn.Linear(inputs + hidden, hidden)

    def forward(self, x: Float[Tensor, "B E"], states: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The next h and c."""
        h, c = states
        both = torch.cat([x, h], dim=1)
        i, f = torch.sigmoid(self.input(both)), torch.sigmoid(self.forget(both))
        n, o = torch.tanh(self.new(both)), torch.sigmoid(self.output(both))
        c = f * c + i * n
        return o * torch.tanh(c), c


CELLS: Mapping[str, type[GruCell] | type[LstmCell]] = {"gru-reset-before": GruCell, "lstm": LstmCell}


class LoopLanguageModel(nn.Module):
    """embedding -> dropout -> cells (dropout after each) -> linear, the last two step by step."""

    def __init__(self, work: RecurrentModelling):
        super().__init__()
        self.embedding = nn.Embedding(work.vocabulary, work.embedding)
        inputs = [work.embedding, *[work.hidden] * (work.layers - 1)]
        self.cells = nn.ModuleList(CELLS[work.cell](size, work.hidden) for size in inputs)
        self.dropout = nn.Dropout(work.dropout)
        self.head = nn.Linear(work.hidden, work.vocabulary)
        self.hidden, self.states = work.hidden, len(EQUATIONS[work.cell].states)

    def forward(
        self, tokens: Int[Tensor, "B T"], state: States | None
    ) -> tuple[Float[Tensor, "B T V"], States]:
        """Logits, and each layer's states after the last token."""
        # One tensor for all states is enough: cells return new ones and never write into their inputs.
        start = [torch.zeros(tokens.shape[0], self.hidden)] * (self.states * len(self.cells))
        flat = tuple(start if state is None else state)
        states = [flat[i : i + self.states] for i in range(0, len(flat), self.states)]
        logits: list[Tensor] = []
        for embedded in self.dropout(self.embedding(tokens)).unbind(1):
            x = embedded
            for layer, cell in enumerate(self.cells):
                states[layer] = cell(x, states[layer])
                x = self.dropout(states[layer][0])
            logits.append(self.head(x))
        return torch.stack(logits, dim=1), tuple(tensor for layer in states for tensor in layer)


def by_gate(weights: Weights, work: RecurrentModelling) -> dict[str, Tensor]:
    """The weights of seqlab's model under the names of this one, gate by gate; two biases are summed."""
    renamed = {name: tensor for name, tensor in weights.items() if not name.startswith("body.")}
    gates = CELLS[work.cell].gates
    for layer in range(work.layers):
        w, u = (weights[f"body.weight_{part}_l{layer}"].chunk(len(gates)) for part in ("ih", "hh"))
        # A cell of seqlab may have one bias, which is that of the inputs.
        biases = [weights.get(f"body.bias_{part}_l{layer}") for part in ("ih", "hh")]
        b = torch.stack([bias for bias in biases if bias is not None]).sum(0).chunk(len(gates))
        for number, gate in enumerate(gates):
            renamed[f"cells.{layer}.{gate}.weight"] = torch.cat([w[number], u[number]], dim=1)
            renamed[f"cells.{layer}.{gate}.bias"] = b[number]
    return renamed


def language_model(work: RecurrentModelling, weights: Weights) -> TrainingStep:
    """The training step of a language model with these initial weights."""
    model = LoopLanguageModel(work)
    model.load_state_dict(by_gate(weights, work))
    return LanguageModelStep(model, work)
