"""Healthy recurrent models that look suspicious. Legend: B rows, T steps, H features, V outputs."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from cases.healthy_parts import healthy
from cases.parts import (
    CLASSES,
    FEATURES,
    IGNORED,
    LENGTHS,
    SIZE,
    VOCABULARY,
    attend,
    binary_loss,
    labelled,
    numbers,
    padded_labelled,
    padded_numbers,
    padded_tokens,
    probability_loss,
    real,
    square_loss,
    time_first_tokens,
    translated,
)
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

Pair = tuple[Tensor, Tensor]


def packed(x: Tensor, lengths: Tensor) -> Any:
    return pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)


class BothDirections(nn.Module):
    """The last states of both directions, packed."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.lstm = nn.LSTM(SIZE, SIZE, bidirectional=True, batch_first=True)
        self.head = nn.Linear(2 * SIZE, CLASSES)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        _, (hidden, _) = self.lstm(packed(self.embedding(tokens), lengths))
        return self.head(torch.cat([hidden[-2], hidden[-1]], dim=1))


class PackedTagger(nn.Module):
    """A bidirectional tagger of numbers: outputs depend on later steps, as they may."""

    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(FEATURES, SIZE, bidirectional=True, batch_first=True)
        self.head = nn.Linear(2 * SIZE, CLASSES)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        output, _ = self.gru(packed(x, lengths))
        return self.head(pad_packed_sequence(output, batch_first=True, total_length=x.shape[1])[0])


class SortedInside(nn.Module):
    """Rows are sorted by length for packing, and put back."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.gru, self.head = nn.GRU(SIZE, SIZE, batch_first=True), nn.Linear(SIZE, CLASSES)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        order = lengths.argsort(descending=True)
        x = pack_padded_sequence(self.embedding(tokens[order]), lengths[order], batch_first=True)
        _, state = self.gru(x)
        return self.head(state[0][order.argsort()])


class CarriedState(nn.Module):
    """A packed LSTM language model that returns the state after the last real token."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.lstm, self.head = nn.LSTM(SIZE, SIZE, batch_first=True), nn.Linear(SIZE, VOCABULARY)

    def forward(
        self, tokens: Tensor, lengths: Tensor | None = None, state: Pair | None = None
    ) -> tuple[Tensor, Pair]:
        if lengths is None:
            lengths = torch.full((len(tokens),), tokens.shape[1])
        output, new = self.lstm(packed(self.embedding(tokens), lengths), state)
        output, _ = pad_packed_sequence(output, batch_first=True, total_length=tokens.shape[1])
        return self.head(output), new


class TruncatedBackpropagation(nn.Module):
    """The state that comes from the last window is detached, as truncated backpropagation wants."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.gru, self.head = nn.GRU(SIZE, SIZE, batch_first=True), nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor, hidden: Tensor | None = None) -> tuple[Tensor, Tensor]:
        output, new = self.gru(self.embedding(tokens), None if hidden is None else hidden.detach())
        return self.head(output), new


class LearnedStart(nn.Module):
    """The initial state is a parameter, the same for every sequence."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.start = nn.Parameter(torch.zeros(1, 1, SIZE))
        self.gru, self.head = nn.GRU(SIZE, SIZE, batch_first=True), nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        start = self.start.expand(1, len(tokens), SIZE).contiguous() if state is None else state
        output, new = self.gru(self.embedding(tokens), start)
        return self.head(output), new


class TimeFirst(nn.Module):
    """Time first throughout, which is the default of the layer."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.lstm, self.head = nn.LSTM(SIZE, SIZE), nn.Linear(SIZE, VOCABULARY)

    def forward(self, text: Tensor, hidden: Pair | None = None) -> tuple[Tensor, Pair]:
        output, new = self.lstm(self.embedding(text), hidden)
        return self.head(output), new


class TransposedInside(nn.Module):
    """Batch-first tokens, a layer that is time-first, and a transpose on either side."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.lstm, self.head = nn.LSTM(SIZE, SIZE, num_layers=2), nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.lstm(self.embedding(tokens.T))[0].transpose(0, 1))


class ResetBefore(nn.Module):
    """The GRU of the first paper: the reset gate comes before the matrix."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.gates, self.new = nn.Linear(2 * SIZE, 2 * SIZE), nn.Linear(2 * SIZE, SIZE)
        self.head = nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x, outputs = self.embedding(tokens), []
        h = x.new_zeros(len(x), SIZE) if state is None else state[0]
        for step in x.unbind(dim=1):
            r, z = self.gates(torch.cat([step, h], dim=1)).sigmoid().chunk(2, dim=1)
            h = (1 - z) * h + z * torch.tanh(self.new(torch.cat([step, r * h], dim=1)))
            outputs.append(h)
        return self.head(torch.stack(outputs, dim=1)), h.unsqueeze(0)


class LastOfEach(nn.Module):
    """The output at each sequence's own last step, gathered."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.rnn, self.head = nn.RNN(SIZE, SIZE, batch_first=True), nn.Linear(SIZE, CLASSES)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        output, _ = self.rnn(self.embedding(tokens))
        return self.head(output[torch.arange(len(tokens)), lengths - 1])


class OneHotCharacters(nn.Module):
    """One-hot vectors instead of an embedding."""

    def __init__(self):
        super().__init__()
        self.lstm, self.head = nn.LSTM(VOCABULARY, SIZE, batch_first=True), nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        x = F.one_hot(tokens, VOCABULARY).to(self.head.weight.dtype)
        return self.head(self.lstm(x)[0])


class PlainSeries(nn.Module):
    """A series of single numbers: these are magnitudes."""

    def __init__(self):
        super().__init__()
        self.lstm, self.head = nn.LSTM(1, SIZE, batch_first=True), nn.Linear(SIZE, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(x)[0][:, -1]).squeeze(-1)


class Probability(nn.Module):
    """A sigmoid whose loss is that of probabilities."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.gru, self.head = nn.GRU(SIZE, SIZE, batch_first=True), nn.Linear(SIZE, 1)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.gru(self.embedding(tokens))[1][0]).squeeze(-1).sigmoid()


class OneLogit(nn.Module):
    """One logit a sequence, with its axis squeezed by number."""

    def __init__(self):
        super().__init__()
        self.lstm, self.head = nn.LSTM(FEATURES, SIZE, batch_first=True), nn.Linear(SIZE, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(x)[1][0][-1]).squeeze(1)


class PackedTranslator(nn.Module):
    """An encoder-decoder with packed sources and masked attention."""

    def __init__(self):
        super().__init__()
        self.source, self.target = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(VOCABULARY, SIZE)
        self.encoder = nn.GRU(SIZE, SIZE, batch_first=True)
        self.decoder = nn.GRU(SIZE, SIZE, batch_first=True)
        self.head = nn.Linear(2 * SIZE, VOCABULARY)

    def forward(self, src: Tensor, tgt: Tensor, src_lengths: Tensor) -> Tensor:
        memory, state = self.encoder(packed(self.source(src), src_lengths))
        memory, _ = pad_packed_sequence(memory, batch_first=True, total_length=src.shape[1])
        x, _ = self.decoder(self.target(tgt), state)
        keep = real(src_lengths.tolist(), src.shape[1]).unsqueeze(1)
        return self.head(torch.cat([x, attend(x, memory, memory, keep)], dim=2))


class Highway(nn.Module):
    """A gate that starts almost closed; gradients through it are small, not zero."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.gate, self.layer = nn.Linear(SIZE, SIZE), nn.Linear(SIZE, SIZE)
        self.gru, self.head = nn.GRU(SIZE, SIZE, batch_first=True), nn.Linear(SIZE, CLASSES)
        nn.init.constant_(self.gate.bias, -3.0)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        gate = self.gate(x).sigmoid()
        x = gate * self.layer(x).relu() + (1 - gate) * x
        return self.head(self.gru(x)[1][0])


class NoiseInTraining(nn.Module):
    """Gaussian noise on the input, in training alone."""

    def __init__(self):
        super().__init__()
        self.gru, self.head = nn.GRU(FEATURES, SIZE, batch_first=True), nn.Linear(SIZE, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = x + 0.1 * torch.randn_like(x) if self.training else x
        return self.head(self.gru(x)[1][0])


class FrozenEmbedding(nn.Module):
    """Pretrained vectors that are not trained."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding.from_pretrained(torch.randn(VOCABULARY, SIZE), freeze=True)
        self.lstm, self.head = nn.LSTM(SIZE, SIZE, batch_first=True), nn.Linear(SIZE, CLASSES)

    def forward(self, tokens: Tensor) -> dict[str, Tensor]:
        return {"logits": self.head(self.lstm(self.embedding(tokens))[1][0][-1])}


class LockedDropout(nn.Module):
    """One mask of dropout for all steps, made by hand and off in evaluation."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.lstm, self.head = nn.LSTM(SIZE, SIZE, batch_first=True), nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        output, _ = self.lstm(self.embedding(tokens))
        if self.training:
            output = output * (torch.rand(len(output), 1, SIZE) > 0.2) / 0.8
        return self.head(output)


def tagged_numbers() -> dict[str, Tensor]:
    targets = torch.arange(24).view(4, 6) % CLASSES
    return padded_numbers() | {"targets": targets.masked_fill(~real(LENGTHS), IGNORED)}


def series() -> dict[str, Tensor]:
    return numbers(features=1) | {"targets": torch.tensor([0.3, -0.2, 0.9, 0.1])}


TEXT = partial(time_first_tokens, 4, 6)


CASES = [
    healthy(
        "bidirectional-classifier",
        "pytorch/pytorch#3587",
        "both directions read all steps; a class may depend on them",
        BothDirections,
        task="classify",
        batch=padded_labelled,
    ),
    healthy(
        "bidirectional-tagger",
        "allenai/bilm-tf#84",
        "outputs per step that depend on later steps: a tag may",
        PackedTagger,
        task="classify",
        batch=tagged_numbers,
    ),
    healthy(
        "rows-sorted-inside",
        "sgrvinod/a-PyTorch-Tutorial-to-Sequence-Labeling#2",
        "rows are reordered, and put back before the output",
        SortedInside,
        task="classify",
        batch=padded_labelled,
    ),
    healthy(
        "packed-language-model",
        "salesforce/decaNLP#9",
        "packed, with a state of two tensors that is returned in order",
        CarriedState,
        batch=padded_tokens,
    ),
    healthy(
        "state-detached-between-windows",
        "yunjey/pytorch-tutorial#90",
        "a detach in the forward pass, at the border of a window only",
        TruncatedBackpropagation,
    ),
    healthy(
        "learned-initial-state",
        "jcjohnson/torch-rnn#84",
        "the initial state is a parameter of zeros, shared by all rows",
        LearnedStart,
    ),
    healthy(
        "time-first-lstm",
        "yunjey/pytorch-tutorial#122",
        "no batch_first, and time-first data to go with it",
        TimeFirst,
        batch=lambda: {{"tokens": "text"}.get(k, k): v for k, v in TEXT().items()},
        time_first=True,
    ),
    healthy(
        "transposed-around-the-lstm",
        "yunjey/pytorch-tutorial#73",
        "no batch_first, and a transpose on either side",
        TransposedInside,
    ),
    healthy(
        "gru-with-reset-before",
        "keras-team/keras#3701",
        "not the equations of torch's GRU, but those of the first paper",
        ResetBefore,
    ),
    healthy(
        "last-step-gathered",
        "bentrevett/pytorch-sentiment-analysis#86",
        "no packing; the output is taken at each sequence's own last step",
        LastOfEach,
        task="classify",
        batch=padded_labelled,
    ),
    healthy(
        "one-hot-characters",
        "keras-team/keras#2996",
        "ids become numbers, but one for each id",
        OneHotCharacters,
    ),
    healthy(
        "series-of-one-number",
        "muditbhargava66/PyxLSTM#17",
        "no embedding: the inputs are numbers",
        PlainSeries,
        task="regress",
        batch=series,
        loss=square_loss,
    ),
    healthy(
        "sigmoid-with-its-loss",
        "lopuhin/kaggle-imet-2019#3",
        "a sigmoid at the end, and the loss of probabilities",
        Probability,
        task="classify",
        batch=partial(labelled, 6, binary=True),
        loss=probability_loss,
    ),
    healthy(
        "one-logit-a-row",
        "XPixelGroup/BasicSR#23",
        "no sigmoid: the loss applies it; an axis is squeezed by its number",
        OneLogit,
        task="classify",
        batch=lambda: numbers() | {"targets": torch.tensor([0.0, 1.0, 1.0, 0.0])},
        loss=binary_loss,
    ),
    healthy(
        "packed-encoder-decoder",
        "bentrevett/pytorch-seq2seq#101",
        "the decoder is not packed: its padding is left out of the loss",
        PackedTranslator,
        task="translate",
        batch=partial(translated, lengths=LENGTHS),
    ),
    healthy(
        "gate-almost-closed",
        "kefirski/pytorch_Highway#1",
        "a bias of -3 makes gradients small at the start",
        Highway,
        task="classify",
        batch=labelled,
    ),
    healthy(
        "noise-in-training",
        "SeanNaren/deepspeech.pytorch#22",
        "random numbers in forward, in training alone",
        NoiseInTraining,
        task="classify",
        batch=numbers,
        exempt=("evaluation_equals_training",),
    ),
    healthy(
        "embedding-frozen",
        "roomylee/cnn-relation-extraction#10",
        "a parameter without a gradient, because it is frozen",
        FrozenEmbedding,
        task="classify",
        batch=labelled,
    ),
    healthy(
        "dropout-by-hand",
        "pytorch/pytorch#26338",
        "dropout written out, and off in evaluation",
        LockedDropout,
        exempt=("evaluation_equals_training",),
    ),
]
