"""The way of the course programs: the equations written down one by one, in a loop over time and layers.

Legend: B rows, T steps, E inputs, H units, V tokens.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqlab.bench.plain import LanguageModelStep, States
from seqlab.bench.workload import LanguageModelling, TrainingStep, Weights

GATES = ("reset", "update", "new")


class GruCell(nn.Module):
    """A GRU whose reset gate acts before the recurrent weights; [x, h] is x and h side by side.

    r = s(W_r [x, h] + b_r),  z = s(W_z [x, h] + b_z),  n = tanh(W_n [x, r * h] + b_n),
    h' = (1 - z) * h + z * n. Cho et al. 2014.
    """

    def __init__(self, inputs: int, hidden: int):
        super().__init__()
        self.reset = nn.Linear(inputs + hidden, hidden)
        self.update = nn.Linear(inputs + hidden, hidden)
        self.new = nn.Linear(inputs + hidden, hidden)

    def forward(self, x: Float[Tensor, "B E"], h: Float[Tensor, "B H"]) -> Float[Tensor, "B H"]:
        """The next state."""
        both = torch.cat([x, h], dim=1)
        r = torch.sigmoid(self.reset(both))
        z = torch.sigmoid(self.update(both))
        n = torch.tanh(self.new(torch.cat([x, r * h], dim=1)))
        return (1 - z) * h + z * n


class LanguageModel(nn.Module):
    """embedding -> dropout -> cells (dropout behind each) -> linear, the last two step by step."""

    def __init__(self, work: LanguageModelling):
        super().__init__()
        self.embedding = nn.Embedding(work.vocabulary, work.embedding)
        inputs = [work.embedding, *[work.hidden] * (work.layers - 1)]
        self.cells = nn.ModuleList(GruCell(size, work.hidden) for size in inputs)
        self.dropout = nn.Dropout(work.dropout)
        self.head = nn.Linear(work.hidden, work.vocabulary)
        self.hidden = work.hidden

    def forward(
        self, tokens: Int[Tensor, "B T"], state: States | None
    ) -> tuple[Float[Tensor, "B T V"], States]:
        """Logits, and each layer's state behind the last token."""
        start = torch.zeros(tokens.shape[0], self.hidden)
        states = [start for _ in self.cells] if state is None else list(state)
        logits: list[Tensor] = []
        for below in self.dropout(self.embedding(tokens)).unbind(1):
            x = below
            for layer, cell in enumerate(self.cells):
                states[layer] = cell(x, states[layer])
                x = self.dropout(states[layer])
            logits.append(self.head(x))
        return torch.stack(logits, dim=1), tuple(states)


def by_gate(weights: Weights, layers: int) -> dict[str, Tensor]:
    """The weights of seqlab's model with `gru-before` under this one's names, gate by gate."""
    renamed = {name: tensor for name, tensor in weights.items() if not name.startswith("recurrence.")}
    for layer in range(layers):
        parts = (weights[f"recurrence.{part}_l{layer}"] for part in ("weight_ih", "weight_hh", "bias_ih"))
        for gate, w, u, b in zip(GATES, *(part.chunk(3) for part in parts), strict=True):
            renamed[f"cells.{layer}.{gate}.weight"] = torch.cat([w, u], dim=1)
            renamed[f"cells.{layer}.{gate}.bias"] = b
    return renamed


def language_model(work: LanguageModelling, weights: Weights) -> TrainingStep:
    """The step of a language model from these weights."""
    model = LanguageModel(work)
    model.load_state_dict(by_gate(weights, work.layers))
    return LanguageModelStep(model, work)
