"""A baseline as a model: predicting and sampling need not know which one they use.

Legend: B rows, T steps, S tokens read before, V outputs.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from seqlab.baselines.baseline import Baseline
from seqlab.data.batch import Batch
from seqlab.data.ragged import ragged
from seqlab.data.sequences import Padded
from seqlab.models.model import Capabilities, SequenceModel, State
from seqlab.models.token_effects import TokenEffects

TOKENS, LENGTHS = "tokens", "lengths"


class BaselineModel(SequenceModel):
    """Its features are the baseline's log probabilities, float64; the state is every token read so far."""

    def __init__(self, baseline: Baseline):
        super().__init__()
        self.capabilities = Capabilities(causal=baseline.causal, carries_state=baseline.causal)
        self.head = nn.Identity()
        self._baseline = baseline

    def features(self, batch: Batch, state: State | None) -> tuple[Tensor, State | None]:
        """(B, T, V) after each token, or (B, V) of the labels; see `SequenceModel.features`."""
        rows = [
            tokens[:length]
            for tokens, length in zip(batch.inputs.tokens.numpy(), batch.inputs.lengths, strict=True)
        ]
        if not self.capabilities.causal:
            return self._answer(rows), None
        before = self.start(len(rows)) if state is None else state
        read = list(zip(before.tensors[TOKENS].numpy(), before.tensors[LENGTHS].tolist(), strict=True))
        texts = [np.concatenate([old[:length], new]) for (old, length), new in zip(read, rows, strict=True)]
        steps = range(1, batch.inputs.steps + 1)
        # A row that has ended stays as it is: its padding is not read.
        seen = [
            text[: length + step] for text, (_, length) in zip(texts, read, strict=True) for step in steps
        ]
        return self._answer(seen).view(len(rows), len(steps), -1), _state(texts)

    def start(self, batch_size: int, source: Padded | None = None) -> State:
        """Nothing read; see `SequenceModel.start`."""
        return _state([np.zeros(0, np.int64)] * batch_size)

    def token_effects(self, tokens: NDArray[np.int64], output: int) -> TokenEffects | None:
        """What each token of a text adds to an output; see `Baseline.token_effects`."""
        return self._baseline.token_effects(tokens, output)

    def _answer(self, rows: list[np.ndarray]) -> Tensor:
        return torch.from_numpy(self._baseline.predict(ragged(rows)))


def _state(texts: list[np.ndarray]) -> State:
    lengths = [len(text) for text in texts]
    tokens = np.zeros((len(texts), max(lengths, default=0)), np.int64)
    for row, text in zip(tokens, texts, strict=True):
        row[: len(text)] = text
    return State({TOKENS: torch.from_numpy(tokens), LENGTHS: torch.tensor(lengths)})
