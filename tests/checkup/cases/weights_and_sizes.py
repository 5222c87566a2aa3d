"""Tied weights that come apart, and sizes that are written in the code.

Legend: B rows, T steps, H features, V outputs.
"""

from __future__ import annotations

from typing import Any

import torch
from cases.laws import other_lengths, other_sizes
from cases.making import SIZES, UNTIED, Language, fault, text
from cases.parts import (
    CLASSES,
    SIZE,
    VOCABULARY,
)
from cases.training_laws import stays_tied
from torch import Tensor, nn


class CopiedTie(Language):
    """The output layer gets a copy of the embedding's values."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(SIZE, VOCABULARY, bias=False)
        self.head.weight = nn.Parameter(self.embedding.weight.detach().clone())


class Tied(Language):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(SIZE, VOCABULARY, bias=False)
        self.head.weight = self.embedding.weight


class UntiedByLoading(Tied):
    """Loading makes new parameters, one for each name."""

    def load_state_dict(self, state_dict: Any, strict: bool = True, assign: bool = False) -> Any:
        for name, value in state_dict.items():
            path, _, leaf = name.rpartition(".")
            setattr(self.get_submodule(path), leaf, nn.Parameter(value.clone()))
        return nn.modules.module._IncompatibleKeys([], [])


class HeadNotSaved(Language):
    """The output layer is left out of what is saved, as if it were tied."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(SIZE, VOCABULARY, bias=False)
        with torch.no_grad():
            self.head.weight.copy_(self.embedding.weight)

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        state = super().state_dict(*args, **kwargs)
        return {name: value for name, value in state.items() if name != "head.weight"}

    def load_state_dict(self, state_dict: Any, strict: bool = True, assign: bool = False) -> Any:
        return super().load_state_dict(state_dict, strict=False, assign=assign)


class BatchOfFour(nn.Module):
    """The batch size is written in the code."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.lstm, self.head = nn.LSTM(SIZE, SIZE, batch_first=True), nn.Linear(SIZE, CLASSES)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        start = x.new_zeros(1, 4, SIZE)
        return self.head(self.lstm(x, (start, start))[0][:, -1].view(4, -1))


class RememberedState(Language):
    """The state of the last batch stays in the module, for other sequences and another number of them."""

    def __init__(self):
        super().__init__()
        self.state: Tensor | None = None

    def features(self, tokens: Tensor) -> Tensor:
        output, state = self.gru(self.embedding(tokens), self.state)
        self.state = state.detach()
        return output


class Squeezed(nn.Module):
    """A squeeze without an axis drops that of a batch of one as well."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.gru, self.head = nn.GRU(SIZE, SIZE, batch_first=True), nn.Linear(SIZE, CLASSES)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.gru(self.embedding(tokens))[1].squeeze())


class StepsInTheCode(nn.Module):
    """Attention weights over a fixed number of encoder steps."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.weights, self.head = nn.Linear(SIZE, 6), nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        mask = torch.full((6, 6), -1e9).triu(1)
        return self.head(x + (self.weights(x) + mask).softmax(dim=-1) @ x)


CASES = [
    fault(
        "tied-by-copy",
        UNTIED,
        "NVIDIA-NeMo/Automodel#2571",
        "weights that are called tied are two tensors, and drift apart in training",
        CopiedTie,
        stays_tied,
    ),
    fault(
        "untied-by-loading",
        UNTIED,
        "huggingface/accelerate#1204",
        "loading makes new tensors, which breaks the connection of tied weights",
        UntiedByLoading,
        stays_tied,
    ),
    fault(
        "head-missing-in-checkpoint",
        UNTIED,
        "vllm-project/vllm#53020",
        "the head is not saved, and stays random after loading",
        HeadNotSaved,
        stays_tied,
    ),
    text(
        "batch-size-in-the-code",
        SIZES,
        "udacity/deep-learning-v2-pytorch#60",
        "the last, smaller batch crashes",
        BatchOfFour,
        other_sizes,
        mistakes=(4,),
    ),
    fault(
        "state-kept-between-batches",
        SIZES,
        "fastai/fastbook#469",
        "the state of the previous batch is carried on, and must have the same size",
        RememberedState,
        other_sizes,
        mistakes=(4,),
    ),
    text(
        "squeeze-of-a-single-row",
        SIZES,
        "layer6ai-labs/TabDPT-inference#33",
        "inference with a batch of one drops the batch axis",
        Squeezed,
        other_sizes,
        mistakes=(4,),
    ),
    fault(
        "steps-in-the-code",
        SIZES,
        "pytorch/tutorials#1098",
        "the attention has one output for each of a fixed number of steps",
        StepsInTheCode,
        other_lengths,
        mistakes=(4,),
    ),
]
