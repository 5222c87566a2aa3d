"""Sequences of a batch read each other. Legend: B sequences, T steps, H features, V outputs."""

from __future__ import annotations

from functools import partial

import torch
from cases.case import Case
from cases.laws import rows_independent, rows_permute
from cases.parts import (
    CLASSES,
    FEATURES,
    SIZE,
    VOCABULARY,
    labelled,
    next_tokens,
    numbers,
    padded_labelled,
    real,
    translated,
)
from torch import Tensor, nn


class TimeAsBatch(nn.Module):
    """An LSTM language model on (B, T) tokens whose LSTM expects (T, B, H)."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.lstm = nn.LSTM(SIZE, SIZE, num_layers=2)
        self.head = nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.lstm(self.embedding(tokens))[0])


class FrameDecoder(nn.Module):
    """Frames (B, T, F) through a GRU that expects (T, B, F); the last step is classified."""

    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(FEATURES, SIZE)
        self.head = nn.Linear(SIZE, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.gru(x)[0][:, -1])


class AttentionOverBatch(nn.Module):
    """A Transformer layer without batch_first on (B, T, H)."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.positions = nn.Parameter(torch.randn(64, SIZE))
        self.layer = nn.TransformerEncoderLayer(SIZE, 2, 16, dropout=0.0)
        self.head = nn.Linear(SIZE, CLASSES)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Tensor]:
        x = self.layer(self.embedding(input_ids) + self.positions[: input_ids.shape[1]])
        kept = attention_mask.unsqueeze(2)
        return {"logits": self.head((x * kept).sum(1) / kept.sum(1))}


class StepwiseDecoder(nn.Module):
    """Each step (B, 1, H) goes through an LSTM that takes B for its time."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.lstm = nn.LSTM(SIZE, SIZE)
        self.head = nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        x, state, outputs = self.embedding(tokens), None, []
        for step in x.unbind(dim=1):
            output, state = self.lstm(step.unsqueeze(1), state)
            outputs.append(output)
        return self.head(torch.cat(outputs, dim=1))


class PooledOverBatch(nn.Module):
    """Attention pooling whose softmax runs over the sequences of the batch."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.score, self.head = nn.Linear(SIZE, 1), nn.Linear(SIZE, CLASSES)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        x = self.embedding(tokens)
        keep = (torch.arange(tokens.shape[1]) < lengths.unsqueeze(1)).unsqueeze(2)
        weights = self.score(x).masked_fill(~keep, -1e9).softmax(dim=0)
        return self.head((weights * x * keep).sum(dim=1))


class Bridge(nn.Module):
    """An encoder-decoder; the states (layers, B, H) of all layers go through one linear map by `view`."""

    def __init__(self):
        super().__init__()
        self.source, self.target = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(VOCABULARY, SIZE)
        self.encoder = nn.GRU(SIZE, SIZE, num_layers=2, batch_first=True)
        self.bridge = nn.Linear(2 * SIZE, 2 * SIZE)
        self.decoder = nn.GRU(SIZE, SIZE, num_layers=2, batch_first=True)
        self.head = nn.Linear(SIZE, VOCABULARY)

    def forward(self, src: Tensor, tgt: Tensor) -> Tensor:
        _, state = self.encoder(self.source(src))
        mixed = torch.relu(self.bridge(state.view(-1, 2 * SIZE))).view(state.shape)
        return self.head(self.decoder(self.target(tgt), mixed)[0])


class SharedState(nn.Module):
    """The state that is carried from step to step is averaged over the batch."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.recurrent, self.head = nn.Linear(SIZE, SIZE), nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        state, outputs = torch.zeros(SIZE, dtype=self.head.weight.dtype), []
        for step in self.embedding(tokens).unbind(dim=1):
            new = torch.tanh(self.recurrent(state + step))
            outputs.append(self.head(new))
            state = new.mean(dim=0)
        return torch.stack(outputs, dim=1)


class CrowdedExperts(nn.Module):
    """Two experts; each takes the tokens of the whole batch in order, until it is full."""

    def __init__(self):
        super().__init__()
        self.embedding, self.router = nn.Embedding(VOCABULARY, SIZE), nn.Linear(SIZE, 2, bias=False)
        self.experts = nn.ModuleList(nn.Linear(SIZE, SIZE) for _ in range(2))
        self.head = nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        weights, flat = self.router(x).softmax(dim=-1).flatten(0, 1), x.flatten(0, 1)
        room, output = len(flat) // 2, torch.zeros_like(flat)
        for index, expert in enumerate(self.experts):
            mine = weights.argmax(dim=1) == index
            mine &= mine.cumsum(dim=0) <= room
            output = output + torch.where(mine.unsqueeze(1), weights[:, [index]] * expert(flat), 0.0)
        return self.head(x + output.view_as(x))


class BatchStatistics(nn.Module):
    """Batch normalisation without running statistics uses the batch's own also in evaluation."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv1d(FEATURES, SIZE, 3, padding=1)
        self.norm = nn.BatchNorm1d(SIZE, track_running_stats=False)
        self.head = nn.Linear(SIZE, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.convolution(x.transpose(1, 2))).relu().amax(dim=2))


class PositionsAlongBatch(nn.Module):
    """Positions are chosen by the first axis, which is the batch."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.register_buffer("positions", torch.randn(64, 1, SIZE))
        self.layer = nn.TransformerEncoderLayer(SIZE, 2, 16, dropout=0.0, batch_first=True)
        self.head = nn.Linear(SIZE, CLASSES)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        return self.head(self.layer(x + self.get_buffer("positions")[: x.shape[0]]).mean(dim=1))


class UnpaddedTogether(nn.Module):
    """Real steps of all sequences are packed into one long sequence, and its state is never reset."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.gru = nn.GRU(SIZE, SIZE, batch_first=True)
        self.head = nn.Linear(SIZE, CLASSES)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        keep = real(lengths.tolist(), tokens.shape[1])
        output, _ = self.gru(self.embedding(tokens[keep]).unsqueeze(0))
        return self.head(output[0, lengths.cumsum(dim=0) - 1])


CASES = [
    Case(
        name="lstm-lm-batch-first-missing",
        kind="rows mixed",
        source="closeheat/pytorch-lstm-text-generation-tutorial#3",
        note="batch-first tokens in an LSTM built without batch_first",
        module=TimeAsBatch,
        task="language-model",
        batch=partial(next_tokens, 5, 6),
        law=rows_independent,
        mistakes=(1,),
    ),
    Case(
        name="gru-frames-batch-first-missing",
        kind="rows mixed",
        source="HHTseng/video-classification#42",
        note="batch-first frames in a GRU built without batch_first, the last step classified",
        module=FrameDecoder,
        task="classify",
        batch=numbers,
        law=rows_independent,
        mistakes=(1,),
    ),
    Case(
        name="attention-over-batch",
        kind="rows mixed",
        source="songyangco/GETNext#2",
        note="self-attention runs along the batch, because the layer expects time first",
        module=AttentionOverBatch,
        task="classify",
        batch=partial(padded_labelled, (6, 6, 6, 6, 6), name="input_ids", mask=True),
        law=rows_independent,
        mistakes=(1,),
    ),
    Case(
        name="lstm-step-unsqueezed-wrongly",
        kind="rows mixed",
        source="ray075hl/Bi-Model-Intent-And-Slot#2",
        note="each step is (B, 1, H) for an LSTM that takes the first axis for time",
        module=StepwiseDecoder,
        task="language-model",
        batch=next_tokens,
        law=rows_independent,
        mistakes=(1,),
    ),
    Case(
        name="attention-pool-softmax-over-batch",
        kind="rows mixed",
        source="PetrochukM/PyTorch-NLP#2",
        note="the softmax of the attention weights runs over the batch",
        module=PooledOverBatch,
        task="classify",
        batch=padded_labelled,
        law=rows_independent,
    ),
    Case(
        name="encoder-bridge-view",
        kind="rows mixed",
        source="OpenNMT/OpenNMT-py#1521",
        note="(layers, B, H) viewed as (-1, layers * H) joins the states of different sequences",
        module=Bridge,
        task="translate",
        batch=translated,
        law=rows_independent,
        mistakes=(4,),
    ),
    Case(
        name="state-averaged-over-batch",
        kind="rows mixed",
        source="fastai/fastbook#469",
        note="the proposed fix for a changed batch size: the mean of the batch's states is carried on",
        module=SharedState,
        task="language-model",
        batch=next_tokens,
        law=rows_independent,
    ),
    Case(
        name="experts-with-shared-capacity",
        kind="rows mixed",
        source="AI-Hypercomputer/maxtext#833",
        note="tokens are dropped when an expert is full of tokens of other sequences",
        module=CrowdedExperts,
        task="language-model",
        batch=partial(next_tokens, 4, 8),
        law=rows_independent,
    ),
    Case(
        name="batch-norm-without-running-statistics",
        kind="rows mixed",
        source="kamenbliznashki/normalizing_flows#13",
        note="the statistics of the batch are used in evaluation too",
        module=BatchStatistics,
        task="classify",
        batch=numbers,
        law=rows_independent,
    ),
    Case(
        name="positions-along-batch",
        kind="rows mixed",
        source="tanjimin/C.Origami#42",
        note="the position that is added is the sequence's index in the batch, equal for all its steps",
        module=PositionsAlongBatch,
        task="classify",
        batch=labelled,
        law=rows_permute,
        mistakes=(1,),
    ),
    Case(
        name="packed-rows-without-reset",
        kind="rows mixed",
        source="state-spaces/mamba#758",
        note="sequences are joined into one, and a recurrence runs on from one to the next",
        module=UnpaddedTogether,
        task="classify",
        batch=padded_labelled,
        law=rows_independent,
    ),
]
