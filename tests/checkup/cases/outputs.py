"""Outputs that are dead, saturated, or not what the loss takes.

Legend: B rows, T steps, H features, V outputs.
"""

from __future__ import annotations

from functools import partial

import torch
from cases.case import Case
from cases.laws import both_sides, evaluation_equals_training, gives_logits, not_saturated, outputs_vary
from cases.making import Language
from cases.parts import (
    CLASSES,
    FEATURES,
    SIZE,
    VOCABULARY,
    binary_loss,
    labelled,
    next_tokens,
    numbers,
    padded_labelled,
    probability_loss,
    square_loss,
    token_loss,
)
from cases.training_laws import parameters_used, starts_at_chance
from torch import Tensor, nn


class LastState(nn.Module):
    """An LSTM's last state through linear layers; subclasses choose what comes after them."""

    outputs = 1

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.lstm = nn.LSTM(SIZE, SIZE, batch_first=True)
        self.head = nn.Linear(SIZE, self.outputs)

    def finish(self, logits: Tensor) -> Tensor:
        return logits

    def forward(self, tokens: Tensor) -> Tensor:
        logits = self.head(self.lstm(self.embedding(tokens))[1][0][-1])
        return self.finish(logits.squeeze(-1) if self.outputs == 1 else logits)


class ReluThenSigmoid(LastState):
    def finish(self, logits: Tensor) -> Tensor:
        return logits.relu().sigmoid()


class SigmoidTwice(LastState):
    def finish(self, logits: Tensor) -> Tensor:
        return logits.sigmoid()


class ReluRegression(nn.Module):
    """A regression whose last layer is a ReLU that starts below zero."""

    def __init__(self):
        super().__init__()
        self.lstm, self.head = nn.LSTM(FEATURES, SIZE, batch_first=True), nn.Linear(SIZE, 1)
        nn.init.constant_(self.head.bias, -2.0)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(x)[1][0][-1]).squeeze(-1).relu()


class ReluDecoder(nn.Module):
    """The logits of a decoder go through a ReLU, so that no class can be made unlikely."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.gru, self.head = nn.GRU(SIZE, SIZE, batch_first=True), nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.gru(self.embedding(tokens))[0]).relu()


class WeightOfOne(nn.Module):
    """The softmax of the attention runs over an axis of size one: every weight is 1."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.gru = nn.GRU(SIZE, SIZE, batch_first=True)
        self.score, self.head = nn.Linear(SIZE, 1), nn.Linear(SIZE, CLASSES)

    def forward(self, tokens: Tensor) -> Tensor:
        x, _ = self.gru(self.embedding(tokens))
        return self.head((self.score(x).softmax(dim=-1) * x).mean(dim=1))


class Saturated(LastState):
    """A probability of large sums: 0 or 1, whatever the token."""

    def finish(self, logits: Tensor) -> Tensor:
        return (200 * logits + 60).sigmoid()


class Constant(nn.Module):
    """A dead hidden layer: the bias alone decides."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.hidden, self.head = nn.Linear(SIZE, SIZE), nn.Linear(SIZE, CLASSES)
        nn.init.constant_(self.hidden.bias, -20.0)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.hidden(self.embedding(tokens).mean(dim=1)).relu())


class SoftmaxLanguage(nn.Module):
    """A feed-forward language model that returns probabilities to a loss of logits."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.layers = nn.Sequential(nn.Linear(SIZE, SIZE), nn.ReLU(), nn.Linear(SIZE, VOCABULARY))

    def forward(self, tokens: Tensor) -> Tensor:
        return self.layers(self.embedding(tokens)).softmax(dim=-1)


class SoftmaxConvolution(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv1d(FEATURES, SIZE, 3, padding=1)
        self.head = nn.Sequential(nn.Linear(SIZE, CLASSES), nn.Softmax(dim=1))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.convolution(x.transpose(1, 2)).relu().amax(dim=2))


class SoftmaxEncoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.positions = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(32, SIZE)
        self.layer = nn.TransformerEncoderLayer(SIZE, 2, 16, dropout=0.1, batch_first=True)
        self.head = nn.Linear(SIZE, CLASSES)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Tensor]:
        x = self.embedding(input_ids) + self.positions(torch.arange(input_ids.shape[1]))
        x = self.layer(x, src_key_padding_mask=attention_mask == 0)
        return {"logits": self.head(x[:, 0]).softmax(dim=-1)}


class SoftmaxInEvaluation(LastState):
    """Logits in training, probabilities in evaluation: the validation loss applies the softmax again."""

    outputs = CLASSES

    def finish(self, logits: Tensor) -> Tensor:
        return logits if self.training else logits.softmax(dim=-1)


class LoudHead(Language):
    """An output layer drawn with variance 1 on features of variance 1."""

    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(64)
        self.wide = nn.Linear(SIZE, 64)
        self.head = nn.Linear(64, VOCABULARY)
        nn.init.normal_(self.head.weight)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.norm(self.wide(self.gru(self.embedding(tokens))[0])))


class LoudTied(nn.Module):
    """An embedding of variance 1 that is the output layer too."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, 64)
        self.norm, self.head = nn.LayerNorm(64), nn.Linear(64, VOCABULARY, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        past = x.cumsum(dim=1) / torch.arange(1, tokens.shape[1] + 1).unsqueeze(1)
        return self.head(self.norm(past))


BINARY = partial(labelled, 6, binary=True)


CASES = [
    Case(
        name="relu-before-sigmoid",
        kind="dead output",
        source="carpedm20/visual-analogy-tensorflow#1",
        note="a ReLU at the end keeps the probability at or above 1/2",
        module=ReluThenSigmoid,
        task="classify",
        batch=BINARY,
        loss=probability_loss,
        law=both_sides,
        mistakes=(3,),
    ),
    Case(
        name="relu-after-regression",
        kind="dead output",
        source="ProteomicsML/ProteomicsML#203",
        note="the ReLU at the end is below zero for every input: constant 0, no gradient",
        module=ReluRegression,
        task="regress",
        batch=lambda: numbers() | {"targets": torch.tensor([0.5, 1.0, 1.5, 2.0])},
        loss=square_loss,
        law=parameters_used,
    ),
    Case(
        name="relu-on-logits",
        kind="dead output",
        source="StanfordASL/neural-network-lyapunov#323",
        note="a ReLU on the outputs cuts off the half below zero",
        module=ReluDecoder,
        task="language-model",
        batch=next_tokens,
        law=both_sides,
        mistakes=(3,),
    ),
    Case(
        name="attention-weights-all-one",
        kind="dead output",
        source="DEEP-PolyU/KEQA_WSDM19#2",
        note="the softmax over one score is 1, so the attention learns nothing",
        module=WeightOfOne,
        task="classify",
        batch=labelled,
        law=parameters_used,
    ),
    Case(
        name="sigmoid-saturated",
        kind="dead output",
        source="coreylynch/pyFM#6",
        note="logits far from zero: the probability is 1 and its gradient 0 for every input",
        module=Saturated,
        task="classify",
        batch=BINARY,
        loss=probability_loss,
        law=not_saturated,
        mistakes=(3,),
    ),
    Case(
        name="hidden-layer-dead",
        kind="dead output",
        source="keras-team/keras#7057",
        note="a hidden ReLU layer that is zero for every input: the prediction is constant",
        module=Constant,
        task="classify",
        batch=labelled,
        law=outputs_vary,
    ),
    Case(
        name="softmax-before-cross-entropy",
        kind="softmax before loss",
        source="bkitano/llama-from-scratch#5",
        note="probabilities go into a loss that applies the softmax",
        module=SoftmaxLanguage,
        task="language-model",
        batch=next_tokens,
        loss=token_loss,
        law=gives_logits,
    ),
    Case(
        name="softmax-layer-in-a-convolution",
        kind="softmax before loss",
        source="jindongwang/Deep-learning-activity-recognition#10",
        note="the last layer is a softmax, the loss is cross-entropy of logits",
        module=SoftmaxConvolution,
        task="classify",
        batch=numbers,
        loss=token_loss,
        law=gives_logits,
    ),
    Case(
        name="softmax-in-an-encoder",
        kind="softmax before loss",
        source="bowang-lab/Transformer-GCN-QA#32",
        note="an extra softmax on what is called logits",
        module=SoftmaxEncoder,
        task="classify",
        batch=partial(padded_labelled, name="input_ids", mask=True),
        loss=token_loss,
        law=gives_logits,
    ),
    Case(
        name="sigmoid-before-logit-loss",
        kind="softmax before loss",
        source="cvg/glue-factory#89",
        note="a sigmoid, then a loss that applies the sigmoid",
        module=SigmoidTwice,
        task="classify",
        batch=BINARY,
        loss=binary_loss,
        law=gives_logits,
        mistakes=(3,),
    ),
    Case(
        name="softmax-in-evaluation-only",
        kind="train and eval differ",
        source="ariecattan/SciCo#2",
        note="the validation loss applies the softmax to probabilities",
        module=SoftmaxInEvaluation,
        task="classify",
        batch=labelled,
        loss=token_loss,
        law=evaluation_equals_training,
    ),
    Case(
        name="head-of-unit-variance",
        kind="initial loss",
        source="huggingface/transformers#26441",
        note="logits of variance 64: the loss starts far above that of a guess",
        module=LoudHead,
        task="language-model",
        batch=next_tokens,
        law=starts_at_chance,
    ),
    Case(
        name="tied-embedding-of-unit-variance",
        kind="initial loss",
        source="pytorch/pytorch#3121",
        note="an embedding of variance 1 is far too large for an output layer",
        module=LoudTied,
        task="language-model",
        batch=next_tokens,
        law=starts_at_chance,
    ),
]
