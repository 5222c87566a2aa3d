"""What healthy cases with attention share. Legend: B rows, T steps, H features, V outputs."""

from __future__ import annotations

import torch
from cases.case import HEALTHY, Case
from cases.parts import (
    SIZE,
    VOCABULARY,
    attend,
    causal,
    next_tokens,
)
from torch import Tensor, nn


class Block(nn.Module):
    """Causal attention with a residual connection; subclasses change a part."""

    def __init__(self):
        super().__init__()
        self.embedding, self.positions = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(64, SIZE)
        self.queries, self.keys = nn.Linear(SIZE, SIZE), nn.Linear(SIZE, SIZE)
        self.values, self.head = nn.Linear(SIZE, SIZE), nn.Linear(SIZE, VOCABULARY)

    def embed(self, tokens: Tensor) -> Tensor:
        return self.embedding(tokens) + self.positions(torch.arange(tokens.shape[1]))

    def allowed(self, steps: int) -> Tensor:
        return causal(steps)

    def mix(self, x: Tensor) -> Tensor:
        return attend(self.queries(x), self.keys(x), self.values(x), self.allowed(x.shape[1]))

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        return self.head(x + self.mix(x))


def healthy(name: str, source: str, note: str, module: type[nn.Module], **more: object) -> Case:
    settings = {"task": "language-model", "batch": next_tokens} | more
    return Case(name=name, kind=HEALTHY, source=source, note=note, module=module, **settings)  # type: ignore[arg-type]
