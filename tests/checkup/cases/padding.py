"""Padding that changes outputs, states or weights.

Legend: B sequences, T steps, H features, V outputs.
"""

from __future__ import annotations

from functools import partial

import torch
from cases.case import Case
from cases.laws import final_state, padding_amount, padding_content
from cases.parts import (
    CLASSES,
    FEATURES,
    LENGTHS,
    PADDING,
    SIZE,
    VOCABULARY,
    Output,
    attend,
    causal,
    padded_labelled,
    padded_numbers,
    padded_tokens,
    translated,
)
from cases.training_laws import padding_row_is_fixed
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

MASKED = partial(padded_labelled, name="input_ids", mask=True)


class Encoder(nn.Module):
    """A Transformer encoder with its padding mask, and a classifier on its mean; subclasses pool."""

    def __init__(self):
        super().__init__()
        self.embedding, self.positions = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(32, SIZE)
        self.layer = nn.TransformerEncoderLayer(SIZE, 2, 16, dropout=0.1, batch_first=True)
        self.head = nn.Linear(SIZE, CLASSES)

    def encode(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        x = self.embedding(input_ids) + self.positions(torch.arange(input_ids.shape[1]))
        return self.layer(x, src_key_padding_mask=attention_mask == 0)

    def pool(self, x: Tensor, attention_mask: Tensor) -> Tensor:
        kept = attention_mask.unsqueeze(2).to(x.dtype)
        return (x * kept).sum(dim=1) / kept.sum(dim=1)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Output:
        x = self.encode(input_ids, attention_mask)
        return Output(logits=self.head(self.pool(x, attention_mask)))


class MeanOfAll(Encoder):
    def pool(self, x: Tensor, attention_mask: Tensor) -> Tensor:
        return x.mean(dim=1)


class MeanOverPaddedLength(Encoder):
    """Padding is zeroed, but the sum is divided by the padded length."""

    def pool(self, x: Tensor, attention_mask: Tensor) -> Tensor:
        return (x * attention_mask.unsqueeze(2)).sum(dim=1) / x.shape[1]


class LastColumn(Encoder):
    """The last column is taken for the last token."""

    def pool(self, x: Tensor, attention_mask: Tensor) -> Tensor:
        return x[:, -1]


class NoPaddingMask(Encoder):
    """Padding is a key like any other: its embedding is zero, which is not the weight zero."""

    def encode(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        x = self.embedding(input_ids) * attention_mask.unsqueeze(2)
        return self.layer(x)


class InvertedPaddingMask(Encoder):
    """Only padding is attended to."""

    def encode(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        x = self.embedding(input_ids) + self.positions(torch.arange(input_ids.shape[1]))
        inverted = attention_mask.bool() & ~attention_mask.bool().all(dim=1, keepdim=True)
        return self.layer(x, src_key_padding_mask=inverted)


class RelativeToLength(Encoder):
    """Positions are fractions of the padded length."""

    def encode(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        steps = torch.arange(input_ids.shape[1], dtype=self.head.weight.dtype) / input_ids.shape[1]
        x = self.embedding(input_ids) + torch.sin(20 * steps).unsqueeze(1)
        return self.layer(x, src_key_padding_mask=attention_mask == 0)


class MaxOverPadding(nn.Module):
    """A convolution whose maximum over time includes padding."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.convolution, self.head = nn.Conv1d(SIZE, SIZE, 3, padding=1), nn.Linear(SIZE, CLASSES)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        return self.head(self.convolution(self.embedding(tokens).transpose(1, 2)).amax(dim=2))


class UnpackedState(nn.Module):
    """The LSTM's last state is that after the padding; the lengths are not used."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE, padding_idx=PADDING)
        self.lstm = nn.LSTM(SIZE, SIZE, batch_first=True)
        self.head = nn.Linear(SIZE, CLASSES)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        return self.head(self.lstm(self.embedding(tokens))[1][0][-1])


class LastOfPacked(nn.Module):
    """The last column of an unpacked output is zero for every shorter sequence."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.gru = nn.GRU(SIZE, SIZE, batch_first=True)
        self.head = nn.Linear(SIZE, CLASSES)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        packed = pack_padded_sequence(self.embedding(tokens), lengths, batch_first=True, enforce_sorted=False)
        output, _ = pad_packed_sequence(self.gru(packed)[0], batch_first=True, total_length=tokens.shape[1])
        return self.head(output[:, -1])


class BackwardFromPadding(nn.Module):
    """The backward direction of a tagger starts in the padding."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(FEATURES, SIZE, bidirectional=True, batch_first=True)
        self.head = nn.Linear(2 * SIZE, CLASSES)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        output, _ = self.lstm(x)
        return self.head(output.mean(dim=1))


class LeftPadded(nn.Module):
    """A language model for left-padded prompts that counts positions from the padding on."""

    def __init__(self):
        super().__init__()
        self.embedding, self.positions = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(32, SIZE)
        self.queries, self.keys = nn.Linear(SIZE, SIZE), nn.Linear(SIZE, SIZE)
        self.values, self.head = nn.Linear(SIZE, SIZE), nn.Linear(SIZE, VOCABULARY)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Output:
        steps = input_ids.shape[1]
        x = self.embedding(input_ids) + self.positions(torch.arange(steps))
        allowed = causal(steps) & attention_mask.bool().unsqueeze(1)
        mixed = attend(self.queries(x), self.keys(x), self.values(x), allowed)
        return Output(logits=self.head(x + mixed))


class UnmaskedCross(nn.Module):
    """The decoder attends to the padding of the source."""

    def __init__(self):
        super().__init__()
        self.source, self.target = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(VOCABULARY, SIZE)
        self.encoder = nn.Conv1d(SIZE, SIZE, 1)
        self.decoder = nn.GRU(SIZE, SIZE, batch_first=True)
        self.head = nn.Linear(2 * SIZE, VOCABULARY)

    def forward(self, src: Tensor, tgt: Tensor, src_mask: Tensor) -> Tensor:
        memory = self.encoder(self.source(src).transpose(1, 2)).transpose(1, 2)
        x, _ = self.decoder(self.target(tgt))
        return self.head(torch.cat([x, attend(x, memory, memory)], dim=2))


class StateAfterPadding(nn.Module):
    """The decoder starts from the state that the encoder has after the source's padding."""

    def __init__(self):
        super().__init__()
        self.source, self.target = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(VOCABULARY, SIZE)
        self.encoder = nn.GRU(SIZE, SIZE, batch_first=True)
        self.decoder = nn.GRU(SIZE, SIZE, batch_first=True)
        self.head = nn.Linear(SIZE, VOCABULARY)

    def forward(self, src: Tensor, tgt: Tensor, src_lengths: Tensor) -> Tensor:
        _, state = self.encoder(self.source(src))
        return self.head(self.decoder(self.target(tgt), state)[0])


class TaggerState(nn.Module):
    """Outputs of real steps are right without packing; the state that is returned is not."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.lstm = nn.LSTM(SIZE, SIZE, batch_first=True)
        self.head = nn.Linear(SIZE, VOCABULARY)

    def forward(
        self, tokens: Tensor, lengths: Tensor | None = None, state: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        output, new = self.lstm(self.embedding(tokens), state)
        return self.head(output), new


class ScanState(nn.Module):
    """A diagonal state space that returns the state after the last column."""

    def __init__(self):
        super().__init__()
        self.embedding, self.head = nn.Embedding(VOCABULARY, SIZE), nn.Linear(SIZE, VOCABULARY)
        self.decay = nn.Parameter(torch.rand(SIZE))

    def forward(
        self, tokens: Tensor, lengths: Tensor | None = None, state: Tensor | None = None
    ) -> dict[str, Tensor]:
        x, outputs = self.embedding(tokens), []
        new = x.new_zeros(1, len(x), SIZE) if state is None else state
        for step in x.unbind(dim=1):
            new = self.decay.sigmoid() * new + step
            outputs.append(new[0])
        return {"logits": self.head(torch.stack(outputs, dim=1)), "state": new}


class TrainedPadding(nn.Module):
    """A sum of embeddings; padding has one of its own, which is trained and counted."""

    def __init__(self, padding_idx: int | None = None):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE, padding_idx=padding_idx)
        self.head = nn.Linear(SIZE, CLASSES)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        return self.head(self.embedding(tokens).sum(dim=1) / lengths.unsqueeze(1))


class OverwrittenPadding(TrainedPadding):
    """The zero row of the padding is drawn again by the initialisation."""

    def __init__(self):
        super().__init__(PADDING)
        nn.init.normal_(self.embedding.weight, std=0.1)


def padding(name: str, source: str, note: str, module: object, **more: object) -> Case:
    """A classifier whose outputs depend on padding."""
    settings = {"kind": "padding", "task": "classify", "batch": MASKED, "law": padding_content} | more
    return Case(name=name, source=source, note=note, module=module, **settings)  # type: ignore[arg-type]


CASES = [
    padding("mean-over-padding", "jsboige/CoursIA#15074", "the mean includes padding", MeanOfAll),
    padding(
        "mean-over-padded-length",
        "mead-ml/mead-baseline#370",
        "the sum over real steps is divided by the padded length",
        MeanOverPaddedLength,
        law=padding_amount,
    ),
    padding(
        "last-column-pooled", "vgel/repeng#38", "the last column is padding for shorter rows", LastColumn
    ),
    padding(
        "padding-mask-left-out",
        "pmixer/SASRec.pytorch#36",
        "zero embeddings still take part in the softmax",
        NoPaddingMask,
        law=padding_amount,
    ),
    padding(
        "padding-mask-inverted",
        "lucidrains/feedback-transformer-pytorch#6",
        "True and False of the mask are swapped",
        InvertedPaddingMask,
    ),
    padding(
        "positions-relative-to-padded-length",
        "huggingface/sentence-transformers#230",
        "what a sequence means changes with the longest one of its batch",
        RelativeToLength,
        law=padding_amount,
    ),
    padding(
        "max-pool-over-padding",
        "thunlp/FewRel#17",
        "the mask does not reach the maximum, which sees padded steps",
        MaxOverPadding,
        batch=padded_labelled,
        mistakes=(2,),
    ),
    padding(
        "lstm-state-after-padding",
        "bentrevett/pytorch-sentiment-analysis#86",
        "the last hidden state is the one after the padding",
        UnpackedState,
        batch=padded_labelled,
    ),
    padding(
        "last-column-of-unpacked",
        "bentrevett/pytorch-sentiment-analysis#5",
        "the last column of an unpacked output is zero for shorter rows",
        LastOfPacked,
        batch=partial(padded_labelled, (6, 4, 5, 3)),
        law=padding_amount,
    ),
    padding(
        "backward-lstm-through-padding",
        "pytorch/pytorch#3662",
        "without packing the backward direction reads the padding first",
        BackwardFromPadding,
        batch=padded_numbers,
    ),
    padding(
        "left-padding-shifts-positions",
        "unslothai/unsloth#3699",
        "positions of a left-padded prompt are counted from the padding on",
        LeftPadded,
        batch=partial(padded_tokens, name="input_ids", mask=True, left=True),
        task="language-model",
        law=padding_amount,
    ),
    padding(
        "cross-attention-without-source-mask",
        "facebookresearch/fairseq#318",
        "the decoder attends to the source's padding",
        UnmaskedCross,
        batch=partial(translated, lengths=LENGTHS, mask=True),
        task="translate",
    ),
    padding(
        "encoder-state-after-padding",
        "pytorch/tutorials#3643",
        "the state that the decoder starts from is that of a padding token",
        StateAfterPadding,
        kind="state after padding",
        batch=partial(translated, lengths=LENGTHS),
        task="translate",
        mistakes=(2,),
    ),
    padding(
        "tagger-returns-state-after-padding",
        "bentrevett/pytorch-pos-tagging#8",
        "outputs are right without packing, the state is not",
        TaggerState,
        kind="state after padding",
        batch=padded_tokens,
        task="language-model",
        law=final_state,
    ),
    padding(
        "scan-returns-state-after-padding",
        "QwenLM/Qwen3#829",
        "the returned state of a state space is updated by the padding too",
        ScanState,
        kind="state after padding",
        batch=padded_tokens,
        task="language-model",
        law=final_state,
    ),
    padding(
        "padding-embedding-trained",
        "FGA-DIKU/BONSAI#166",
        "without padding_idx the padding gets a vector of its own, which is trained",
        TrainedPadding,
        kind="padding row",
        batch=padded_labelled,
        law=padding_row_is_fixed,
    ),
    padding(
        "padding-embedding-overwritten",
        "pytorch/pytorch#6495",
        "a custom initialisation overwrites the zero row of padding_idx",
        OverwrittenPadding,
        kind="padding row",
        batch=padded_labelled,
        law=padding_row_is_fixed,
    ),
    padding(
        "padding-index-of-another-token",
        "SKTBrain/KoBERT#36",
        "padding_idx is 0, but the padding's id is 1",
        partial(TrainedPadding, PADDING),
        kind="padding row",
        batch=partial(padded_labelled, padding=1),
        law=padding_row_is_fixed,
        mistakes=(7,),
    ),
]
