"""Healthy encoders, pooling and losses that look suspicious.

Legend: B rows, T steps, H features, V outputs.
"""

from __future__ import annotations

from functools import partial

import torch
from cases.case import Batch
from cases.healthy_block import Block, healthy
from cases.parts import (
    CLASSES,
    FEATURES,
    LENGTHS,
    SIZE,
    VOCABULARY,
    Output,
    attend,
    labelled,
    log_probability_loss,
    next_tokens,
    numbers,
    padded_labelled,
    token_loss,
    translated,
)
from torch import Tensor, nn

MASKED = partial(padded_labelled, name="input_ids", mask=True)


class MeanEncoder(nn.Module):
    """A Transformer encoder with a padding mask and a mean over real tokens."""

    def __init__(self):
        super().__init__()
        self.embedding, self.positions = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(32, SIZE)
        self.layer = nn.TransformerEncoderLayer(SIZE, 2, 16, dropout=0.1, batch_first=True)
        self.head = nn.Linear(SIZE, CLASSES)

    def pool(self, x: Tensor, attention_mask: Tensor) -> Tensor:
        kept = attention_mask.unsqueeze(2).to(x.dtype)
        return (x * kept).sum(dim=1) / kept.sum(dim=1)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Output:
        x = self.embedding(input_ids) + self.positions(torch.arange(input_ids.shape[1]))
        x = self.layer(x, src_key_padding_mask=attention_mask == 0)
        return Output(logits=self.head(self.pool(x, attention_mask)))


class FirstToken(MeanEncoder):
    """The first token's output is classified; it has attended to all."""

    def pool(self, x: Tensor, attention_mask: Tensor) -> Tensor:
        return x[:, 0]


class PaddingKnownById(nn.Module):
    """No mask is given: the model finds the padding by its id."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE, padding_idx=0)
        self.positions, self.head = nn.Embedding(32, SIZE), nn.Linear(SIZE, CLASSES)

    def forward(self, tokens: Tensor, lengths: Tensor | None = None) -> Tensor:
        keep = tokens != self.embedding.padding_idx
        x = self.embedding(tokens) + self.positions(torch.arange(tokens.shape[1]))
        x = x + attend(x, x, x, keep.unsqueeze(1))
        return self.head((x * keep.unsqueeze(2)).sum(dim=1) / keep.sum(dim=1, keepdim=True))


class EmptyRows(nn.Module):
    """Queries in the padding have no key: a floor keeps their softmax finite."""

    def __init__(self):
        super().__init__()
        self.embedding, self.positions = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(32, SIZE)
        self.keys, self.head = nn.Linear(SIZE, SIZE), nn.Linear(SIZE, CLASSES)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Tensor]:
        x = self.embedding(input_ids) + self.positions(torch.arange(input_ids.shape[1]))
        keep = attention_mask.bool()
        scores = x @ self.keys(x).transpose(1, 2)
        scores = scores.masked_fill(~(keep.unsqueeze(1) & keep.unsqueeze(2)), torch.finfo(x.dtype).min)
        mixed = (scores.softmax(dim=-1) @ x) * keep.unsqueeze(2)
        return {"logits": self.head(mixed.sum(dim=1) / keep.sum(dim=1, keepdim=True))}


class Translator(nn.Module):
    """torch's layers with all their masks, time first inside."""

    def __init__(self):
        super().__init__()
        self.source, self.target = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(VOCABULARY, SIZE)
        self.positions = nn.Parameter(torch.randn(64, 1, SIZE))
        self.encoder = nn.TransformerEncoderLayer(SIZE, 2, 16, dropout=0.1)
        self.decoder = nn.TransformerDecoderLayer(SIZE, 2, 16, dropout=0.1)
        self.head = nn.Linear(SIZE, VOCABULARY)

    def forward(self, src: Tensor, tgt: Tensor, src_mask: Tensor) -> Tensor:
        source = self.source(src.T) + self.positions[: src.shape[1]]
        target = self.target(tgt.T) + self.positions[: tgt.shape[1]]
        mask = torch.full((tgt.shape[1],) * 2, -torch.inf, dtype=target.dtype).triu(1)
        padding = torch.zeros_like(src_mask, dtype=target.dtype).masked_fill(src_mask == 0, -torch.inf)
        memory = self.encoder(source, src_key_padding_mask=padding)
        found = self.decoder(target, memory, tgt_mask=mask, memory_key_padding_mask=padding)
        return self.head(found.transpose(0, 1))


class OwnLoss(Block):
    """Labels are the inputs: the module shifts them, once."""

    def forward(self, input_ids: Tensor, labels: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
        logits = super().forward(input_ids)
        return {"loss": token_loss(logits[:, :-1], labels[:, 1:]), "logits": logits}


class LogSoftmax(Block):
    """Log-probabilities, to a loss that takes their log-softmax again: it is the identity on them."""

    def forward(self, tokens: Tensor) -> Tensor:
        return super().forward(tokens).log_softmax(dim=-1)


class BagOfWords(nn.Module):
    """A mean of embeddings and a linear layer: the order is ignored on purpose."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.EmbeddingBag(VOCABULARY, SIZE, mode="mean")
        self.head = nn.Linear(SIZE, CLASSES)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.embedding(tokens))


class Segments(nn.Module):
    """A second kind of embedding for what is a question and what an answer."""

    def __init__(self):
        super().__init__()
        self.embedding, self.segments = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(2, SIZE)
        self.positions, self.head = nn.Embedding(32, SIZE), nn.Linear(SIZE, CLASSES)
        self.layer = nn.TransformerEncoderLayer(SIZE, 2, 16, dropout=0.0, batch_first=True)

    def forward(self, input_ids: Tensor, token_type_ids: Tensor) -> Tensor:
        x = self.embedding(input_ids) + self.segments(token_type_ids)
        return self.head(self.layer(x + self.positions(torch.arange(input_ids.shape[1]))).mean(dim=1))


class SeriesEncoder(nn.Module):
    """A Transformer encoder of numbers, with sines for positions."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(FEATURES, SIZE)
        self.layer = nn.TransformerEncoderLayer(SIZE, 2, 16, dropout=0.1, batch_first=True)
        self.head = nn.Linear(SIZE, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        steps = torch.arange(x.shape[1], dtype=x.dtype).unsqueeze(1)
        angle = steps / 10 ** torch.arange(SIZE // 2, dtype=x.dtype)
        x = self.embed(x) + torch.cat([angle.sin(), angle.cos()], dim=1)
        return self.head(self.layer(x)[:, -1])


def own_labels() -> Batch:
    tokens = next_tokens(4, 8)["tokens"]
    return {"input_ids": tokens, "labels": tokens.clone()}


def segmented() -> Batch:
    return labelled(name="input_ids") | {"token_type_ids": torch.tensor([[0, 0, 0, 1, 1, 1]]).repeat(4, 1)}


CASES = [
    healthy(
        "masked-mean",
        "huggingface/sentence-transformers#230",
        "a mean over time, of real tokens alone",
        MeanEncoder,
        task="classify",
        batch=MASKED,
    ),
    healthy(
        "first-token-pooled",
        "huggingface/transformers#1225",
        "one position of the output is used, the others are not",
        FirstToken,
        task="classify",
        batch=MASKED,
    ),
    healthy(
        "padding-known-by-id",
        "pmixer/SASRec.pytorch#36",
        "lengths are not read: padding is known by its id",
        PaddingKnownById,
        task="classify",
        batch=padded_labelled,
        exempt=("padding_content",),
    ),
    healthy(
        "rows-without-keys",
        "pytorch/pytorch#131060",
        "fully masked rows, with the lowest number instead of -inf",
        EmptyRows,
        task="classify",
        batch=MASKED,
    ),
    healthy(
        "transformer-with-all-masks",
        "pytorch/tutorials#1547",
        "time first inside, batch first outside, float masks",
        Translator,
        task="translate",
        batch=partial(translated, lengths=LENGTHS, mask=True),
    ),
    healthy(
        "labels-shifted-inside",
        "huggingface/transformers#35066",
        "labels equal the inputs: the module shifts them",
        OwnLoss,
        batch=own_labels,
    ),
    healthy(
        "log-softmax-twice",
        "salesforce/awd-lstm-lm#97",
        "the log-softmax of log-probabilities is the same again",
        LogSoftmax,
        loss=token_loss,
    ),
    healthy(
        "log-softmax-with-nll",
        "speedinghzl/Pytorch-Deeplab#2",
        "log-probabilities, to the loss that takes them",
        LogSoftmax,
        loss=log_probability_loss,
    ),
    healthy(
        "bag-of-words",
        "keras-team/keras#3446",
        "the order is ignored and there is no nonlinearity: a bag of words is meant",
        BagOfWords,
        task="classify",
        batch=labelled,
        exempt=("order_matters",),
    ),
    healthy(
        "segments",
        "dhlee347/pytorchic-bert#10",
        "the first segment has the id 0, which is no padding here",
        Segments,
        task="classify",
        batch=segmented,
    ),
    healthy(
        "series-encoder",
        "keras-team/keras-io#1894",
        "numbers through a linear layer, positions added after it",
        SeriesEncoder,
        task="classify",
        batch=numbers,
    ),
]
