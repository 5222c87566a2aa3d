"""Healthy modules that were written after the probes, to measure these on what they have not seen.

Legend: B rows, T steps, H features, V outputs.
"""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from cases.case import HEALTHY
from cases.held_out_broken import held_out
from cases.parts import (
    CLASSES,
    FEATURES,
    SIZE,
    VOCABULARY,
    Output,
    labelled,
    log_probability_loss,
    numbers,
    padded_labelled,
    token_loss,
    translated,
)
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm


class NormedWeights(nn.Module):
    """Weights with a norm and a direction: parameters of another shape."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.convolution = weight_norm(nn.Conv1d(SIZE, SIZE, 3))
        self.head = nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens).transpose(1, 2)
        return self.head((x + self.convolution(F.pad(x, (2, 0))).tanh()).transpose(1, 2))


class LearnedQuery(nn.Module):
    """One learned query reads the sequence; there is no pooling."""

    def __init__(self):
        super().__init__()
        self.embedding, self.positions = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(64, SIZE)
        self.query, self.head = nn.Parameter(torch.randn(1, 1, SIZE)), nn.Linear(SIZE, CLASSES)
        self.attention = nn.MultiheadAttention(SIZE, 2, batch_first=True)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Output:
        x = self.embedding(input_ids) + self.positions(torch.arange(input_ids.shape[1]))
        query = self.query.expand(len(x), 1, SIZE)
        found, _ = self.attention(query, x, x, key_padding_mask=attention_mask == 0)
        return Output(self.head(found[:, 0]))


class MixtureOfSoftmaxes(nn.Module):
    """The output is the logarithm of a mixture of probabilities."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.lstm, self.weights = nn.LSTM(SIZE, SIZE, batch_first=True), nn.Linear(SIZE, 2)
        self.head = nn.Linear(SIZE, 2 * VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        x, _ = self.lstm(self.embedding(tokens))
        parts = self.head(x).unflatten(2, (2, VOCABULARY)).softmax(dim=-1)
        return (self.weights(x).softmax(dim=-1).unsqueeze(3) * parts).sum(dim=2).log()


class IdentityRecurrence(nn.Module):
    """A ReLU recurrence that starts as the identity."""

    def __init__(self):
        super().__init__()
        self.rnn = nn.RNN(FEATURES, SIZE, nonlinearity="relu", batch_first=True)
        self.head = nn.Linear(SIZE, CLASSES)
        nn.init.eye_(self.rnn.get_parameter("weight_hh_l0"))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rnn(x)[0][:, -1])


class BoundedEmbedding(nn.Module):
    """Vectors are scaled back to norm 1 in the forward pass, in place."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE, max_norm=1.0)
        self.gru, self.head = nn.GRU(SIZE, SIZE, batch_first=True), nn.Linear(SIZE, CLASSES)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.gru(self.embedding(tokens))[1][0])


class OptionalLabels(nn.Module):
    """Labels are an argument that may be left out."""

    def __init__(self):
        super().__init__()
        self.embedding, self.positions = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(64, SIZE)
        self.layer = nn.TransformerEncoderLayer(SIZE, 2, 16, dropout=0.1, batch_first=True)
        self.head = nn.Linear(SIZE, CLASSES)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, labels: Tensor | None = None
    ) -> dict[str, Tensor]:
        x = self.embedding(input_ids) + self.positions(torch.arange(input_ids.shape[1]))
        mask = None if attention_mask is None else attention_mask == 0
        logits = self.head(self.layer(x, src_key_padding_mask=mask)[:, 0])
        return {"logits": logits} | ({} if labels is None else {"loss": F.cross_entropy(logits, labels)})


class MovingAverage(nn.Module):
    """An exponential moving average of the inputs, with a share that is learned."""

    def __init__(self):
        super().__init__()
        self.embedding, self.share = nn.Embedding(VOCABULARY, SIZE), nn.Parameter(torch.zeros(SIZE))
        self.head = nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x, share, outputs = self.embedding(tokens), self.share.sigmoid(), []
        average = x.new_zeros(1, len(x), SIZE) if state is None else state
        for step in x.unbind(dim=1):
            average = average + share * (step - average)
            outputs.append(average[0])
        return self.head(torch.stack(outputs, dim=1)), average


class SampledInTraining(nn.Module):
    """Gates are sampled in training; in evaluation the likelier one is taken."""

    def __init__(self):
        super().__init__()
        self.embedding, self.gate = nn.Embedding(VOCABULARY, SIZE), nn.Linear(SIZE, 2)
        self.gru, self.head = nn.GRU(SIZE, SIZE, batch_first=True), nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        logits = self.gate(x)
        gate = F.gumbel_softmax(logits, dim=-1) if self.training else logits.softmax(dim=-1)
        return self.head(self.gru(gate[..., :1] * x)[0])


class AdditiveAttention(nn.Module):
    """An attention decoder that feeds its context into the next step."""

    def __init__(self):
        super().__init__()
        self.source, self.target = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(VOCABULARY, SIZE)
        self.encoder = nn.GRU(SIZE, SIZE, batch_first=True)
        self.cell, self.score = nn.GRUCell(2 * SIZE, SIZE), nn.Linear(2 * SIZE, 1)
        self.head = nn.Linear(2 * SIZE, VOCABULARY)

    def forward(self, src: Tensor, tgt: Tensor) -> Tensor:
        memory, state = self.encoder(self.source(src))
        state, outputs = state[0], []
        for step in self.target(tgt).unbind(dim=1):
            pairs = torch.cat([memory, state.unsqueeze(1).expand_as(memory)], dim=2)
            context = (self.score(pairs.tanh()).softmax(dim=1) * memory).sum(dim=1)
            state = self.cell(torch.cat([step, context], dim=1), state)
            outputs.append(torch.cat([state, context], dim=1))
        return self.head(torch.stack(outputs, dim=1))


class FixedWindow(nn.Module):
    """A dense layer over all steps of a window, whose length is fixed by design."""

    def __init__(self):
        super().__init__()
        self.embedding, self.hidden = nn.Embedding(VOCABULARY, SIZE), nn.Linear(6 * SIZE, SIZE)
        self.head = nn.Linear(SIZE, CLASSES)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.hidden(self.embedding(tokens).flatten(1)).relu())


CASES = [
    held_out(name, HEALTHY, source, note, module, **more)
    for name, source, note, module, more in (
        (
            "weights-normed",
            "locuslab/TCN#8",
            "a parametrized weight is no parameter itself",
            NormedWeights,
            {"exempt": ("remembers",)},
        ),
        (
            "learned-query",
            "LAION-AI/temporal-embedding-aggregation#14",
            "the query does not depend on the input",
            LearnedQuery,
            {"task": "classify", "batch": partial(padded_labelled, name="input_ids", mask=True)},
        ),
        (
            "mixture-of-softmaxes",
            "salesforce/awd-lstm-lm#97",
            "softmax before the loss, and a logarithm after it",
            MixtureOfSoftmaxes,
            {"loss": log_probability_loss},
        ),
        (
            "identity-recurrence",
            "datawhalechina/leedl-tutorial#40",
            "a ReLU recurrence without saturation: its weights start as the identity",
            IdentityRecurrence,
            {"task": "classify", "batch": numbers},
        ),
        (
            "embedding-bounded",
            "bentrevett/pytorch-seq2seq#89",
            "the forward pass changes a weight: its rows are scaled to a largest norm",
            BoundedEmbedding,
            {"task": "classify", "batch": labelled},
        ),
        (
            "labels-optional",
            "huggingface/transformers#37993",
            "an argument that changes no output: the labels",
            OptionalLabels,
            {
                "task": "classify",
                "batch": partial(padded_labelled, name="input_ids", mask=True),
                "loss": token_loss,
            },
        ),
        (
            "moving-average",
            "johnma2006/mamba-minimal#11",
            "a recurrence without a matrix: each feature for itself",
            MovingAverage,
            {},
        ),
        (
            "gates-sampled-in-training",
            "SeanNaren/deepspeech.pytorch#22",
            "random in training, the expectation in evaluation",
            SampledInTraining,
            {"exempt": ("evaluation_equals_training",)},
        ),
        (
            "additive-attention",
            "d2l-ai/d2l-en#1013",
            "the context of one step is the input of the next",
            AdditiveAttention,
            {"task": "translate", "batch": translated},
        ),
        (
            "window-of-fixed-length",
            "keras-team/keras#233",
            "a dense layer over all steps: one length, by design",
            FixedWindow,
            {"task": "classify", "batch": labelled},
        ),
    )
]
