"""What cases of several files share. Legend: B rows, T steps, H features, V outputs."""

from __future__ import annotations

from functools import partial

from cases.case import Case
from cases.parts import (
    SIZE,
    VOCABULARY,
    labelled,
    next_tokens,
    padded_labelled,
)
from torch import Tensor, nn


class Language(nn.Module):
    """A GRU language model; subclasses add a mistake."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.gru, self.head = nn.GRU(SIZE, SIZE, batch_first=True), nn.Linear(SIZE, VOCABULARY)

    def features(self, tokens: Tensor) -> Tensor:
        return self.gru(self.embedding(tokens))[0]

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.features(tokens))


def fault(  # noqa: PLR0917
    name: str, kind: str, source: str, note: str, module: object, law: object, **more: object
) -> Case:
    settings = {"task": "language-model", "batch": next_tokens} | more
    return Case(name=name, kind=kind, source=source, note=note, module=module, law=law, **settings)  # type: ignore[arg-type]


def text(  # noqa: PLR0917
    name: str, kind: str, source: str, note: str, module: object, law: object, **more: object
) -> Case:
    return fault(name, kind, source, note, module, law, **({"task": "classify", "batch": labelled} | more))


UNUSED, SETTING, TIME = "parameter unused", "setting unused", "gradient through time"
UNTIED, MODES, DROPOUT = "weights untied", "train and eval differ", "dropout in eval"
FIT, SIZES, RANDOM = "cannot overfit", "one size", "non-determinism"
MASKED = partial(padded_labelled, name="input_ids", mask=True)
