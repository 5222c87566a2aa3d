"""Gradients that do not reach back, and models that cannot learn.

Legend: B rows, T steps, H features, V outputs.
"""

from __future__ import annotations

from functools import partial

import torch
from cases.case import Batch
from cases.making import FIT, MASKED, TIME, Language, fault, text
from cases.parts import (
    CLASSES,
    FEATURES,
    SIZE,
    VOCABULARY,
    binary_loss,
    labelled,
    numbers,
    padded_labelled,
    square_loss,
)
from cases.training_laws import finite, gradients_reach_back, overfits
from torch import Tensor, nn


class ReluRecurrence(nn.Module):
    """A ReLU recurrence with weights above 1 explodes."""

    def __init__(self):
        super().__init__()
        self.rnn = nn.RNN(FEATURES, 32, nonlinearity="relu", batch_first=True)
        self.head = nn.Linear(32, CLASSES)
        nn.init.normal_(self.rnn.get_parameter("weight_hh_l0"), std=0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rnn(x)[0][:, -1])


class DetachedEachStep(nn.Module):
    """The state is detached after each step: the loss reaches one step back."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.cell, self.head = nn.GRUCell(SIZE, SIZE), nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        x, outputs = self.embedding(tokens), []
        state = x.new_zeros(len(x), SIZE)
        for step in x.unbind(dim=1):
            state = self.cell(step, state.detach())
            outputs.append(state)
        return self.head(torch.stack(outputs, dim=1))


class SigmoidRecurrence(nn.Module):
    """A sigmoid recurrence with small weights vanishes: 60 steps are out of reach."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.input, self.recurrent = nn.Linear(SIZE, SIZE), nn.Linear(SIZE, SIZE)
        self.head = nn.Linear(SIZE, CLASSES)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        state = x.new_zeros(len(x), SIZE)
        for step in x.unbind(dim=1):
            state = (self.input(step) + self.recurrent(state)).sigmoid()
        return self.head(state)


class FullyMasked(nn.Module):
    """Padding is masked as a query too: a row of -inf becomes NaN."""

    def __init__(self):
        super().__init__()
        self.embedding, self.keys = nn.Embedding(VOCABULARY, SIZE), nn.Linear(SIZE, SIZE)
        self.head = nn.Linear(SIZE, CLASSES)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Tensor]:
        x, keep = self.embedding(input_ids), attention_mask.bool()
        scores = x @ self.keys(x).transpose(1, 2)
        allowed = keep.unsqueeze(1) & keep.unsqueeze(2)
        mixed = scores.masked_fill(~allowed, -torch.inf).softmax(dim=-1) @ x
        mixed = torch.where(keep.unsqueeze(2), mixed, 0.0)
        return {"logits": self.head(mixed.sum(dim=1))}


class RootAtZero(nn.Module):
    """The norm of a padding vector is zero, where its gradient is not finite."""

    def __init__(self):
        super().__init__()
        self.embedding, self.head = nn.Embedding(VOCABULARY, SIZE), nn.Linear(SIZE, CLASSES)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        x = self.embedding(tokens) * (tokens > 0).unsqueeze(2)
        scale = x.square().sum(dim=2, keepdim=True).sqrt()
        return self.head((x * scale).sum(dim=1) / lengths.unsqueeze(1))


class NoNonlinearity(nn.Module):
    """Two linear layers on a sum of embeddings are one: parity is out of reach."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(4, SIZE)
        self.layers = nn.Sequential(nn.Linear(SIZE, SIZE), nn.Linear(SIZE, 1))

    def forward(self, tokens: Tensor) -> Tensor:
        return self.layers(self.embedding(tokens).sum(dim=1)).squeeze(-1)


class StackedLinear(nn.Module):
    """The same on numbers."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(2, SIZE), nn.Dropout(0.1), nn.Linear(SIZE, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).squeeze(-1)


class OutOfRange(nn.Module):
    """Targets below 0 from an output that is never below 0."""

    def __init__(self):
        super().__init__()
        self.gru, self.head = nn.GRU(FEATURES, SIZE, batch_first=True), nn.Linear(SIZE, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.gru(x)[1][-1]).squeeze(-1).relu()


class NoGradient(Language):
    """The features are computed without gradients, and the head on them is frozen."""

    def __init__(self):
        super().__init__()
        self.head.requires_grad_(False)
        self.scale = nn.Parameter(torch.ones(()))

    def features(self, tokens: Tensor) -> Tensor:
        with torch.no_grad():
            x = super().features(tokens)
        return x * self.scale


def parity() -> Batch:
    """Pairs of tokens of two kinds; the label is whether they differ."""
    return {
        "tokens": torch.tensor([[1, 1], [1, 2], [2, 1], [2, 2]]),
        "targets": torch.tensor([0.0, 1.0, 1.0, 0.0]),
    }


def exclusive_or() -> Batch:
    x = torch.tensor([[[0.0], [0.0]], [[0.0], [1.0]], [[1.0], [0.0]], [[1.0], [1.0]]])
    return {"x": x, "targets": torch.tensor([0.0, 1.0, 1.0, 0.0])}


def negative_targets() -> Batch:
    return numbers() | {"targets": torch.tensor([-1.3, -0.4, -0.9, -0.2])}


CASES = [
    text(
        "relu-recurrence-explodes",
        TIME,
        "AlexanderVNikitin/tsgm#59",
        "a recurrent layer with an activation without bounds: the loss explodes",
        ReluRecurrence,
        gradients_reach_back,
        batch=partial(numbers, 4, 60),
    ),
    fault(
        "state-detached-each-step",
        TIME,
        "yhs968/pyGRU4REC#8",
        "the loss of a step reaches only that step: a Markov chain, not a recurrent model",
        DetachedEachStep,
        gradients_reach_back,
    ),
    text(
        "sigmoid-recurrence-vanishes",
        TIME,
        "bricewalker/Hey-Jetson#7",
        "the gradient shrinks by more than 4 at each of 60 steps",
        SigmoidRecurrence,
        gradients_reach_back,
        batch=partial(labelled, 4, 60),
    ),
    text(
        "fully-masked-row",
        TIME,
        "jadore801120/attention-is-all-you-need-pytorch#5",
        "a softmax over -inf alone is NaN, in the gradient even where its value is not used",
        FullyMasked,
        finite,
        batch=MASKED,
    ),
    text(
        "root-of-zero",
        TIME,
        "pytorch/pytorch#41508",
        "the gradient of a root at zero: NaN as soon as there is padding",
        RootAtZero,
        finite,
        batch=padded_labelled,
    ),
    text(
        "no-activation-between-layers",
        FIT,
        "stanfordnlp/stanza#1610",
        "two linear layers in a row: parity cannot be learnt",
        NoNonlinearity,
        overfits,
        batch=parity,
        loss=binary_loss,
        mistakes=(3,),
    ),
    text(
        "linear-layers-on-numbers",
        FIT,
        "pytorch/tutorials#647",
        "no nonlinearity after the linear layers",
        StackedLinear,
        overfits,
        batch=exclusive_or,
        loss=binary_loss,
        mistakes=(3,),
    ),
    text(
        "targets-out-of-range",
        FIT,
        "cran2367/lstm_autoencoder_classifier#2",
        "a ReLU at the end of a regression whose standardised targets lie below 0",
        OutOfRange,
        overfits,
        task="regress",
        batch=negative_targets,
        loss=square_loss,
    ),
    fault(
        "features-without-gradient",
        FIT,
        "asyml/texar-pytorch#72",
        "nothing but a scale is trained",
        NoGradient,
        overfits,
    ),
]
