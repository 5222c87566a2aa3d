"""What cases with states share. Legend: B rows, T steps, H features, V outputs."""

from __future__ import annotations

from functools import partial

from cases.case import Case
from cases.laws import whole_equals_pieces
from cases.parts import (
    SIZE,
    VOCABULARY,
    next_tokens,
)
from torch import Tensor, nn

Pair = tuple[Tensor, Tensor]


class Recurrent(nn.Module):
    """An LSTM language model with a state; subclasses return another one."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.lstm = nn.LSTM(SIZE, SIZE, batch_first=True)
        self.head = nn.Linear(SIZE, VOCABULARY)

    def returned(self, given: Pair | None, new: Pair) -> Pair:
        return new

    def forward(self, tokens: Tensor, state: Pair | None = None) -> tuple[Tensor, Pair]:
        output, new = self.lstm(self.embedding(tokens), state)
        return self.head(output), self.returned(state, new)


class ResetEachCall(Recurrent):
    """The state that is given is not the one that is used."""

    def forward(self, tokens: Tensor, state: Pair | None = None) -> tuple[Tensor, Pair]:
        output, new = self.lstm(self.embedding(tokens))
        return self.head(output), new


def state(name: str, source: str, note: str, module: type[nn.Module], **more: object) -> Case:
    """A language model whose whole and steps differ."""
    settings = {
        "kind": "whole and steps differ",
        "task": "language-model",
        "batch": partial(next_tokens, 4, 6),
        "law": whole_equals_pieces,
    }
    return Case(name=name, source=source, note=note, module=module, **(settings | more))  # type: ignore[arg-type]
