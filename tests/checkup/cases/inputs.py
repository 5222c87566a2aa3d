"""Inputs, sources and initial states that are not used.

Legend: B rows, T steps, H features, V outputs.
"""

from __future__ import annotations

from functools import partial

import torch
from cases.case import Batch
from cases.laws import uses, uses_every_state
from cases.parts import (
    CLASSES,
    SIZE,
    VOCABULARY,
    labelled,
    next_tokens,
    padded_labelled,
    translated,
)
from cases.stateful import ResetEachCall, state
from torch import Tensor, nn


class ForgottenEncoder(nn.Module):
    """A decoder that always starts from zeros."""

    def __init__(self):
        super().__init__()
        self.source, self.target = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(VOCABULARY, SIZE)
        self.encoder = nn.GRU(SIZE, SIZE, batch_first=True)
        self.decoder = nn.GRU(SIZE, SIZE, batch_first=True)
        self.head = nn.Linear(SIZE, VOCABULARY)

    def forward(self, src: Tensor, tgt: Tensor) -> Tensor:
        _, state = self.encoder(self.source(src))
        return self.head(self.decoder(self.target(tgt), torch.zeros_like(state))[0])


class DecoderWithoutMemory(nn.Module):
    """A decoder step that takes the encoder's outputs as an argument and does not read them."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.gru, self.head = nn.GRU(SIZE, SIZE, batch_first=True), nn.Linear(SIZE, VOCABULARY)

    def forward(self, tgt: Tensor, hidden: Tensor, encoder_outputs: Tensor) -> tuple[Tensor, Tensor]:
        output, hidden = self.gru(self.embedding(tgt), hidden)
        return self.head(output), hidden


class TargetOnly(nn.Module):
    """A Transformer decoder whose memory is its own input."""

    def __init__(self):
        super().__init__()
        self.source, self.target = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(VOCABULARY, SIZE)
        self.encoder = nn.TransformerEncoderLayer(SIZE, 2, 16, dropout=0.0, batch_first=True)
        self.head = nn.Linear(SIZE, VOCABULARY)

    def forward(self, src: Tensor, tgt: Tensor) -> dict[str, Tensor]:
        x = self.target(tgt)
        mask = torch.full((tgt.shape[1],) * 2, -torch.inf, dtype=x.dtype).triu(1)
        self.encoder(self.source(src))
        return {"logits": self.head(self.encoder(x, src_mask=mask))}


class OneStateForAllLayers(nn.Module):
    """Two layers that both start from the first layer's initial state."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.cells = nn.ModuleList(nn.GRUCell(SIZE, SIZE) for _ in range(2))
        self.head = nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor, hidden: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x, outputs = self.embedding(tokens), []
        first = x.new_zeros(len(x), SIZE) if hidden is None else hidden[0]
        states = [first, first]
        for step in x.unbind(dim=1):
            for index, cell in enumerate(self.cells):
                step = states[index] = cell(step, states[index])  # noqa: PLW2901
            outputs.append(step)
        return self.head(torch.stack(outputs, dim=1)), torch.stack(states)


class SegmentsFromTokens(nn.Module):
    """The segments are looked up with the token ids."""

    def __init__(self):
        super().__init__()
        self.embedding, self.segments = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(VOCABULARY, SIZE)
        self.gru, self.head = nn.GRU(SIZE, SIZE, batch_first=True), nn.Linear(SIZE, CLASSES)

    def forward(self, input_ids: Tensor, token_type_ids: Tensor) -> Tensor:
        x = self.embedding(input_ids) + self.segments(input_ids)
        return self.head(self.gru(x)[1][-1])


class IgnoredMask(nn.Module):
    """An attention pool that takes a mask and leaves it out."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.score, self.head = nn.Linear(SIZE, 1), nn.Linear(SIZE, CLASSES)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        x = self.embedding(input_ids)
        return self.head((self.score(x).softmax(dim=1) * x).sum(dim=1))


def with_state(batch: Batch, name: str = "hidden", layers: int = 1) -> Batch:
    rows = len(batch["targets"])
    return batch | {name: torch.randn(layers, rows, SIZE, generator=torch.Generator().manual_seed(4))}


def decoder_step() -> Batch:
    batch = translated()
    memory = torch.randn(4, 6, SIZE, generator=torch.Generator().manual_seed(5))
    return with_state({"tgt": batch["tgt"], "encoder_outputs": memory, "targets": batch["targets"]})


def segmented() -> Batch:
    batch = labelled(name="input_ids")
    return batch | {"token_type_ids": torch.tensor([[0, 0, 0, 1, 1, 1]]).repeat(4, 1)}


CASES = [
    state(
        "encoder-state-not-passed",
        "nyu-dl/dl4mt-tutorial#65",
        "the decoder starts from zeros instead of the encoder's state",
        ForgottenEncoder,
        kind="input unused",
        task="translate",
        batch=translated,
        law=uses("src"),
        mistakes=(2,),
    ),
    state(
        "encoder-outputs-not-read",
        "pytorch/tutorials#126",
        "an argument of the attention decoder is never used",
        DecoderWithoutMemory,
        kind="input unused",
        task="translate",
        batch=decoder_step,
        law=uses("encoder_outputs"),
    ),
    state(
        "decoder-reads-only-the-target",
        "OpenNMT/OpenNMT-py#882",
        "the source is encoded and thrown away",
        TargetOnly,
        kind="input unused",
        task="translate",
        batch=translated,
        law=uses("src"),
    ),
    state(
        "initial-state-not-passed",
        "pytorch/tutorials#55",
        "a hidden state is prepared for the LSTM, which is called without it",
        type("UnusedInitial", (ResetEachCall,), {"__doc__": "An LSTM without its initial state."}),
        kind="input unused",
        batch=lambda: next_tokens() | {"state": (torch.ones(1, 4, SIZE), torch.ones(1, 4, SIZE))},
        law=uses("state"),
    ),
    state(
        "one-initial-state-for-all-layers",
        "pclucas14/GansFallingShort#2",
        "the second layer starts from the first layer's state",
        OneStateForAllLayers,
        kind="input unused",
        batch=lambda: with_state(next_tokens(), layers=2),
        law=uses_every_state,
    ),
    state(
        "segment-ids-not-read",
        "devjwsong/gpt2-dialogue-generation-pytorch#11",
        "the segments are looked up with the token ids",
        SegmentsFromTokens,
        kind="input unused",
        task="classify",
        batch=segmented,
        law=uses("token_type_ids"),
    ),
    state(
        "attention-mask-not-read",
        "facebookresearch/SymbolicMathematics#19",
        "the padding mask is an argument that the attention does not read",
        IgnoredMask,
        kind="input unused",
        task="classify",
        batch=partial(padded_labelled, name="input_ids", mask=True),
        law=uses("attention_mask"),
    ),
]
