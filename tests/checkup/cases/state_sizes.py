"""States of the wrong size, and states that are never updated.

Legend: B rows, T steps, H features, V outputs.
"""

from __future__ import annotations

from functools import partial

import torch
from cases.laws import other_sizes, remembers, rows_independent
from cases.parts import (
    CLASSES,
    FEATURES,
    SIZE,
    VOCABULARY,
    labelled,
    next_tokens,
    numbers,
    time_first_tokens,
)
from cases.stateful import state
from torch import Tensor, nn


class StateOfSteps(nn.Module):
    """An initial state with as many rows as there are steps."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.lstm, self.head = nn.LSTM(SIZE, SIZE), nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        start = x.new_zeros(1, x.shape[1], SIZE)
        return self.head(self.lstm(x, (start, start))[0])


class StateOfFirstAxis(nn.Module):
    """Time-first tokens, an initial state sized by the first axis."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.gru, self.head = nn.GRU(SIZE, SIZE), nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        return self.head(self.gru(x, x.new_zeros(1, tokens.shape[0], SIZE))[0])


class ElmanOfSteps(nn.Module):
    """An Elman layer whose input and state have the number of steps for their size."""

    def __init__(self):
        super().__init__()
        self.cell, self.head = nn.RNNCell(6, SIZE), nn.Linear(SIZE, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        state = x.new_zeros(x.shape[2], SIZE)
        for feature in x.transpose(1, 2).unbind(dim=1):
            state = self.cell(feature, state)
        return self.head(state)


class NeverUpdated(nn.Module):
    """The state of the loop is read in every step and never replaced."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.cell, self.head = nn.LSTMCell(SIZE, SIZE), nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        h, c = x.new_zeros(len(x), SIZE), x.new_zeros(len(x), SIZE)
        return self.head(torch.stack([self.cell(step, (h, c))[0] for step in x.unbind(dim=1)], dim=1))


class StaleUpdate(nn.Module):
    """A gated update that mixes the new candidate with the initial state, not with the last one."""

    def __init__(self):
        super().__init__()
        self.gate, self.new = nn.Linear(FEATURES, SIZE), nn.Linear(FEATURES, SIZE)
        self.head = nn.Linear(SIZE, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        start = x.new_zeros(len(x), SIZE)
        state = start
        for step in x.unbind(dim=1):
            z = self.gate(step).sigmoid()
            state = (1 - z) * start + z * torch.tanh(self.new(step))
        return self.head(state)


class ZeroedEachStep(nn.Module):
    """The module is called for each token with no state: it has forgotten all before."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.gru, self.head = nn.GRU(SIZE, SIZE), nn.Linear(SIZE, CLASSES)

    def forward(self, tokens: Tensor) -> Tensor:
        x, state = self.embedding(tokens), torch.zeros(1, 1)
        for step in x.unbind(dim=1):
            state = self.gru(step.unsqueeze(0))[1]
        return self.head(state[-1])


CASES = [
    state(
        "initial-state-sized-by-steps",
        "closeheat/pytorch-lstm-text-generation-tutorial#3",
        "the state has T rows, which fits because the LSTM takes T for the batch",
        StateOfSteps,
        kind="state size",
        batch=partial(next_tokens, 5, 6),
        law=rows_independent,
        mistakes=(1, 8),
    ),
    state(
        "initial-state-sized-by-first-axis",
        "MITDeepLearning/introtodeeplearning#188",
        "T rows in the state; the example works because it has as many sequences as steps",
        StateOfFirstAxis,
        kind="state size",
        batch=partial(time_first_tokens, 6, 6),
        law=other_sizes,
        time_first=True,
        mistakes=(8,),
    ),
    state(
        "elman-sized-by-steps",
        "AuCson/PyTorch-Batch-Attention-Seq2seq#7",
        "input size T and a state with F rows; the example works because B = F",
        ElmanOfSteps,
        kind="state size",
        task="classify",
        batch=partial(numbers, FEATURES, 6),
        law=other_sizes,
        mistakes=(8,),
    ),
    state(
        "lstm-state-never-updated",
        "ChenRocks/fast_abs_rl#14",
        "the loop passes the initial state to every step",
        NeverUpdated,
        kind="state not updated",
        law=remembers,
    ),
    state(
        "update-from-stale-state",
        "mquad/hgru4rec#11",
        "the gate mixes with the state before the loop",
        StaleUpdate,
        kind="state not updated",
        task="classify",
        batch=numbers,
        law=remembers,
    ),
    state(
        "state-reset-at-each-step",
        "gabrielloye/RNN-walkthrough#3",
        "zeros are passed to each step",
        ZeroedEachStep,
        kind="state not updated",
        task="classify",
        batch=labelled,
        law=remembers,
    ),
]
