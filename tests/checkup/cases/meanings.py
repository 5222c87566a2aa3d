"""Axes, ids and order misread. Legend: B sequences, T steps, H features, V outputs."""

from __future__ import annotations

from functools import partial

import torch
from cases.case import Case
from cases.laws import ids_are_symbols, no_look_ahead, order_matters, padding_amount, rows_independent
from cases.parts import (
    CLASSES,
    FEATURES,
    SIZE,
    VOCABULARY,
    attend,
    binary_loss,
    causal,
    labelled,
    next_tokens,
    numbers,
    padded_labelled,
    translated,
)
from torch import Tensor, nn


class HeadsByView(nn.Module):
    """Heads are split by a view of (B, T, H) as (B, heads, T, H / heads)."""

    def __init__(self):
        super().__init__()
        self.embedding, self.positions = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(32, SIZE)
        self.queries, self.keys = nn.Linear(SIZE, SIZE), nn.Linear(SIZE, SIZE)
        self.values, self.head = nn.Linear(SIZE, SIZE), nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        B, T = tokens.shape
        x = self.embedding(tokens) + self.positions(torch.arange(T))
        q, k, v = (part(x).view(B, 2, T, SIZE // 2) for part in (self.queries, self.keys, self.values))
        mixed = attend(q, k, v, causal(T)).transpose(1, 2)
        return self.head(x + mixed.reshape(B, T, SIZE))


class FramesByView(nn.Module):
    """Batch-first frames made time-first by a view."""

    def __init__(self):
        super().__init__()
        self.lstm, self.head = nn.LSTM(FEATURES, SIZE), nn.Linear(SIZE, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        B, T, F = x.shape
        return self.head(self.lstm(x.reshape(T, B, F))[0][-1])


class FlattenedTransposed(nn.Module):
    """Time-first features, left over from a recurrent encoder, are reshaped to (B, T * H)."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.head = nn.Sequential(nn.Linear(6 * SIZE, SIZE), nn.Tanh(), nn.Linear(SIZE, CLASSES))

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens.T)
        return self.head(x.reshape(len(tokens), -1))


class ChannelsByView(nn.Module):
    """(B, T, H) viewed as (B, H, T) for a convolution."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE, padding_idx=0)
        self.convolution, self.head = nn.Conv1d(SIZE, SIZE, 3, padding=1), nn.Linear(SIZE, CLASSES)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        B, T = tokens.shape
        y = self.convolution(self.embedding(tokens).view(B, SIZE, T)).relu()
        keep = (torch.arange(T) < lengths.unsqueeze(1)).unsqueeze(1)
        return self.head((y * keep).sum(dim=2) / lengths.unsqueeze(1))


class StatesByView(nn.Module):
    """The states (2, B, H) of both directions viewed as (B, 2 H)."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.lstm = nn.LSTM(SIZE, SIZE, bidirectional=True, batch_first=True)
        self.head = nn.Linear(2 * SIZE, CLASSES)

    def forward(self, tokens: Tensor) -> Tensor:
        _, (hidden, _) = self.lstm(self.embedding(tokens))
        return self.head(hidden.view(len(tokens), -1))


class LogitsByView(nn.Module):
    """Time-first outputs of a decoder viewed as (B, T, V)."""

    def __init__(self):
        super().__init__()
        self.source, self.target = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(VOCABULARY, SIZE)
        self.encoder, self.decoder = nn.GRU(SIZE, SIZE), nn.GRU(SIZE, SIZE)
        self.head = nn.Linear(SIZE, VOCABULARY)

    def forward(self, src: Tensor, tgt: Tensor) -> Tensor:
        _, state = self.encoder(self.source(src.T))
        output, _ = self.decoder(self.target(tgt.T), state)
        return self.head(output).view(*tgt.shape, VOCABULARY)


class DenseOnIds(nn.Module):
    """A feed-forward classifier on token numbers."""

    def __init__(self):
        super().__init__()
        self.hidden, self.head = nn.Linear(6, SIZE), nn.Linear(SIZE, 1)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.hidden(tokens.to(self.head.weight.dtype)).relu()).squeeze(-1)


class ConvolutionOnIds(nn.Module):
    """A convolution whose one channel holds the token numbers."""

    def __init__(self):
        super().__init__()
        self.convolution, self.head = nn.Conv1d(1, SIZE, 3, padding=1), nn.Linear(SIZE, CLASSES)

    def forward(self, tokens: Tensor) -> Tensor:
        x = tokens.to(self.head.weight.dtype).unsqueeze(1)
        return self.head(self.convolution(x).relu().amax(dim=2))


class RecurrentOnIds(nn.Module):
    """A character model that reads each character's number."""

    def __init__(self):
        super().__init__()
        self.lstm, self.head = nn.LSTM(1, SIZE, batch_first=True), nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        x = tokens.to(self.head.weight.dtype).unsqueeze(2)
        return self.head(self.lstm(x)[0])


class ScaledIds(nn.Module):
    """Token numbers divided by the vocabulary's size are still numbers."""

    def __init__(self):
        super().__init__()
        self.gru, self.head = nn.GRU(1, SIZE, batch_first=True), nn.Linear(SIZE, CLASSES)

    def forward(self, tokens: Tensor) -> Tensor:
        x = (tokens.to(self.head.weight.dtype) / VOCABULARY).unsqueeze(2)
        return self.head(self.gru(x)[1][-1])


class NoPositions(nn.Module):
    """A Transformer encoder that is told no positions; the mean is classified."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.layer = nn.TransformerEncoderLayer(SIZE, 2, 16, dropout=0.0, batch_first=True)
        self.head = nn.Linear(SIZE, CLASSES)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.layer(self.embedding(tokens)).mean(dim=1))


class SeriesWithoutPositions(nn.Module):
    """The same for a series of numbers."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(FEATURES, SIZE)
        self.attention = nn.MultiheadAttention(SIZE, 2, batch_first=True)
        self.head = nn.Linear(SIZE, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        return self.head((x + self.attention(x, x, x)[0]).amax(dim=1))


class OneQuery(nn.Module):
    """A language model with one layer of causal attention and no positions: earlier tokens are a set."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.queries, self.keys = nn.Linear(SIZE, SIZE), nn.Linear(SIZE, SIZE)
        self.values, self.head = nn.Linear(SIZE, SIZE), nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        mixed = attend(self.queries(x), self.keys(x), self.values(x), causal(tokens.shape[1]))
        return self.head(x + mixed)


def misread(name: str, kind: str, source: str, note: str, module: type[nn.Module], **more: object) -> Case:
    settings = {"task": "classify", "batch": labelled} | more
    return Case(name=name, kind=kind, source=source, note=note, module=module, **settings)  # type: ignore[arg-type]


AXES, IDS, ORDER = "axes scrambled", "raw ids", "order ignored"
CASES = [
    misread(
        "heads-split-by-view",
        AXES,
        "zhouhaoyi/Informer2020#59",
        "a view splits the heads, where the axes had to be exchanged: a head holds other steps",
        HeadsByView,
        task="language-model",
        batch=partial(next_tokens, 4, 8),
        law=no_look_ahead,
        mistakes=(4,),
    ),
    misread(
        "time-first-by-reshape",
        AXES,
        "HHTseng/video-classification#42",
        "a reshape instead of a transpose: steps of different sequences are joined",
        FramesByView,
        batch=numbers,
        law=rows_independent,
        mistakes=(4,),
    ),
    misread(
        "transposed-then-flattened",
        AXES,
        "TobiasLee/Chinese-Hip-pop-Generation#8",
        "time-first features reshaped as if they were batch-first",
        FlattenedTransposed,
        law=rows_independent,
        mistakes=(4,),
    ),
    misread(
        "channels-by-view",
        AXES,
        "prakashpandey9/Text-Classification-Pytorch#15",
        "a channel of the convolution holds features of several steps",
        ChannelsByView,
        batch=padded_labelled,
        law=padding_amount,
        mistakes=(4,),
    ),
    misread(
        "directions-joined-by-view",
        AXES,
        "yunjey/pytorch-tutorial#149",
        "the states of two sequences are joined instead of those of two directions",
        StatesByView,
        law=rows_independent,
        mistakes=(4,),
    ),
    misread(
        "logits-by-view",
        AXES,
        "hunkim/PyTorchZeroToAll#20",
        "time-first logits are viewed as batch-first ones",
        LogitsByView,
        task="translate",
        batch=translated,
        law=rows_independent,
        mistakes=(4,),
    ),
    misread(
        "dense-layer-on-ids",
        IDS,
        "ageron/handson-ml3#51",
        "the order of the ids becomes a magnitude",
        DenseOnIds,
        batch=partial(labelled, binary=True),
        loss=binary_loss,
        law=ids_are_symbols,
        mistakes=(5,),
    ),
    misread(
        "convolution-on-ids",
        IDS,
        "DataTalksClub/mlops-zoomcamp#265",
        "a convolution over token numbers",
        ConvolutionOnIds,
        law=ids_are_symbols,
        mistakes=(5,),
    ),
    misread(
        "lstm-on-character-numbers",
        IDS,
        "apache/mxnet#2774",
        "each character is one number from 0 to V - 1, fed directly to the LSTM",
        RecurrentOnIds,
        task="language-model",
        batch=next_tokens,
        law=ids_are_symbols,
        mistakes=(5,),
    ),
    misread(
        "ids-scaled-to-one",
        IDS,
        "KnHuq/Dynamic-Tensorflow-Tutorial#11",
        "scaled ids where a one-hot encoding is meant",
        ScaledIds,
        law=ids_are_symbols,
        mistakes=(5,),
    ),
    misread(
        "encoder-without-positions",
        ORDER,
        "DaoyuanLi2816/Molecule-Generator#23",
        "self-attention without positions: every order of the tokens is the same",
        NoPositions,
        law=order_matters,
    ),
    misread(
        "series-without-positions",
        ORDER,
        "keras-team/keras-io#1894",
        "a classifier of time series that cannot know the time",
        SeriesWithoutPositions,
        batch=numbers,
        law=order_matters,
    ),
    misread(
        "one-causal-layer-without-positions",
        ORDER,
        "wenliangdai/Multimodal-End2end-Sparse#16",
        "the line that adds positions is commented out",
        OneQuery,
        task="language-model",
        batch=next_tokens,
        law=order_matters,
    ),
]
