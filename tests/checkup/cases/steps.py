"""A whole sequence that differs from its steps. Legend: B rows, T steps, H features, V outputs."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from cases.laws import whole_equals_chunks
from cases.parts import (
    SIZE,
    VOCABULARY,
    attend,
    causal,
)
from cases.stateful import Pair, Recurrent, ResetEachCall, state
from torch import Tensor, nn


class HiddenForCell(Recurrent):
    def returned(self, given: Pair | None, new: Pair) -> Pair:
        return new[0], new[0]


class SwappedPair(Recurrent):
    def returned(self, given: Pair | None, new: Pair) -> Pair:
        return new[1], new[0]


class FirstState(nn.Module):
    """The state after the first step is returned, not that after the last."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.gru, self.head = nn.GRU(SIZE, SIZE, batch_first=True), nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        output, _ = self.gru(self.embedding(tokens), state)
        return self.head(output), output[:, 0].unsqueeze(0)


class ScanWithStaleState(nn.Module):
    """A diagonal state space that returns the state before the last input."""

    def __init__(self):
        super().__init__()
        self.embedding, self.head = nn.Embedding(VOCABULARY, SIZE), nn.Linear(SIZE, VOCABULARY)
        self.decay = nn.Parameter(torch.rand(SIZE))

    def forward(self, tokens: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x, outputs = self.embedding(tokens), []
        new = torch.zeros_like(x[:, 0]).unsqueeze(0) if state is None else state
        previous = new
        for step in x.unbind(dim=1):
            previous, new = new, self.decay.sigmoid() * new + step
            outputs.append(new[0])
        return self.head(torch.stack(outputs, dim=1)), previous


class RetentionWithoutDecay(nn.Module):
    """Linear attention with decay in the parallel form, without it across the state."""

    def __init__(self):
        super().__init__()
        self.embedding, self.head = nn.Embedding(VOCABULARY, SIZE), nn.Linear(SIZE, VOCABULARY)
        self.keys, self.values = nn.Linear(SIZE, SIZE), nn.Linear(SIZE, SIZE)

    def forward(self, tokens: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x, steps = self.embedding(tokens), torch.arange(tokens.shape[1])
        keys, values = self.keys(x), self.values(x)
        decay = (0.8 ** (steps.unsqueeze(1) - steps).clamp(min=0)).tril().to(x.dtype)
        output = (x @ keys.transpose(1, 2) * decay) @ values
        if state is not None:
            output = output + x @ state[0]
        past = (keys * 0.8 ** (steps.flip(0)).unsqueeze(1)).transpose(1, 2) @ values
        return self.head(output), (past if state is None else past + state[0]).unsqueeze(0)


class CausalWindow(nn.Module):
    """A causal convolution that forgets its past inputs between calls."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.convolution, self.head = nn.Conv1d(SIZE, SIZE, 4), nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x = self.embedding(tokens).transpose(1, 2)
        output = self.convolution(F.pad(x, (3, 0))).relu().transpose(1, 2)
        return self.head(output), x[:, :, -1].unsqueeze(0)


class Cached(nn.Module):
    """Attention with a cache (1, B, T, 2H) of keys and values; subclasses spoil positions, mask or cache."""

    def __init__(self):
        super().__init__()
        self.embedding, self.positions = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(64, SIZE)
        self.queries, self.both = nn.Linear(SIZE, SIZE), nn.Linear(SIZE, 2 * SIZE)
        self.head = nn.Linear(SIZE, VOCABULARY)

    def offset(self, past: int) -> int:
        return past

    def allowed(self, steps: int, past: int) -> Tensor:
        return causal(steps + past)[past:]

    def kept(self, cache: Tensor, past: int) -> Tensor:
        return cache

    def forward(self, tokens: Tensor, cache: Tensor | None = None) -> tuple[Tensor, Tensor]:
        past, steps = 0 if cache is None else cache.shape[2], tokens.shape[1]
        x = self.embedding(tokens) + self.positions(torch.arange(steps) + self.offset(past))
        new = self.both(x).unsqueeze(0)
        whole = new if cache is None else torch.cat([cache, new], dim=2)
        keys, values = whole[0].chunk(2, dim=2)
        mixed = attend(self.queries(x), keys, values, self.allowed(steps, past))
        return self.head(x + mixed), self.kept(whole, past)


class PositionOneTooFar(Cached):
    def offset(self, past: int) -> int:
        return past + 1 if past else 0


class FirstKeyMissing(Cached):
    """The first token advances the cache without being written."""

    def kept(self, cache: Tensor, past: int) -> Tensor:
        return cache if past else torch.cat([torch.zeros_like(cache[:, :, :1]), cache[:, :, 1:]], dim=2)


class MaskTopLeft(Cached):
    """With a cache the mask's corner is at the wrong end: only the oldest keys are allowed."""

    def allowed(self, steps: int, past: int) -> Tensor:
        return torch.ones(steps, steps + past, dtype=torch.bool).tril()


CASES = [
    state("hidden-returned-as-cell", "salesforce/decaNLP#9", "the pair (h, h) is returned", HiddenForCell),
    state("hidden-and-cell-swapped", "microsoft/nni#2842", "the pair (c, h) is returned", SwappedPair),
    state(
        "state-reset-at-each-call",
        "ageron/handson-mlp#4",
        "each generated token starts from no state",
        ResetEachCall,
    ),
    state(
        "first-state-returned",
        "allenai/allenact#77",
        "the state after step 0 is kept",
        FirstState,
        law=whole_equals_chunks,
        mistakes=(11,),
    ),
    state(
        "scan-state-before-last-input",
        "state-spaces/mamba#500",
        "the returned state of a state space lacks the last input",
        ScanWithStaleState,
        mistakes=(11,),
    ),
    state(
        "retention-without-decay-of-state",
        "syncdoth/RetNet#7",
        "the recurrent form does not decay what the parallel form does",
        RetentionWithoutDecay,
        law=whole_equals_chunks,
    ),
    state(
        "convolution-forgets-its-window",
        "state-spaces/mamba#683",
        "stepwise reading pads with zeros instead of the past inputs",
        CausalWindow,
    ),
    state(
        "cached-positions-off-by-one",
        "microsoft/onnxruntime-genai#2354",
        "decoding starts one position too far",
        PositionOneTooFar,
    ),
    state(
        "first-key-not-cached",
        "TrenTorch/TrenTorch#192",
        "position 0 of the cache stays zero",
        FirstKeyMissing,
    ),
    state(
        "cached-mask-top-left",
        "lucidrains/x-transformers#219",
        "the causal mask is aligned to the first key, not to the last",
        MaskTopLeft,
    ),
]
