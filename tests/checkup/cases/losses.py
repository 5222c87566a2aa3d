"""Losses that count wrongly, and targets that are not the next tokens.

Legend: B rows, T steps, H features, V outputs.
"""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from cases.case import Batch, Case
from cases.laws import (
    decoder_loss_is_aligned,
    decoder_reads_the_past,
    loss_ignores_padding,
    loss_is_mean,
    predicts_next,
)
from cases.making import Language
from cases.parts import (
    IGNORED,
    SIZE,
    VOCABULARY,
    attend,
    causal,
    next_tokens,
    padded_tokens,
    real,
    token_loss,
    translated,
)
from torch import Tensor, nn


class PaddedLanguage(Language):
    """The same with padding, where features are zero."""

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:  # type: ignore[override]
        keep = real(lengths.tolist(), tokens.shape[1]).unsqueeze(2)
        return self.head(self.features(tokens) * keep)


class OwnLoss(nn.Module):
    """A causal attention model that returns its loss; subclasses compare other steps."""

    def __init__(self):
        super().__init__()
        self.embedding, self.positions = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(32, SIZE)
        self.keys, self.head = nn.Linear(SIZE, SIZE), nn.Linear(SIZE, VOCABULARY)

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return token_loss(logits[:, :-1], labels[:, 1:])

    def forward(self, input_ids: Tensor, labels: Tensor) -> dict[str, Tensor]:
        x = self.embedding(input_ids) + self.positions(torch.arange(input_ids.shape[1]))
        logits = self.head(x + attend(x, self.keys(x), x, causal(input_ids.shape[1])))
        return {"loss": self.loss(logits, labels), "logits": logits}


class NotShifted(OwnLoss):
    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return token_loss(logits, labels)


class ShiftedTwice(OwnLoss):
    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return super().loss(logits[:, :-1], labels[:, 1:])


class CutNotShifted(OwnLoss):
    """Both sides lose their last step."""

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return token_loss(logits[:, :-1], labels[:, :-1])


class LstmNotShifted(nn.Module):
    """The same mistake in a recurrent model that documents labels = input_ids."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.lstm, self.head = nn.LSTM(SIZE, SIZE, batch_first=True), nn.Linear(SIZE, VOCABULARY)

    def forward(self, input_ids: Tensor, labels: Tensor) -> dict[str, Tensor]:
        logits = self.head(self.lstm(self.embedding(input_ids))[0])
        return {"loss": token_loss(logits, labels), "logits": logits}


class DecoderShiftedAgain(nn.Module):
    """The decoder's input is shifted; a loss for decoder-only models shifts once more."""

    def __init__(self):
        super().__init__()
        self.source, self.target = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(VOCABULARY, SIZE)
        self.encoder = nn.GRU(SIZE, SIZE, batch_first=True)
        self.decoder = nn.GRU(SIZE, SIZE, batch_first=True)
        self.head = nn.Linear(SIZE, VOCABULARY)

    def forward(self, input_ids: Tensor, decoder_input_ids: Tensor, labels: Tensor) -> dict[str, Tensor]:
        _, state = self.encoder(self.source(input_ids))
        logits = self.head(self.decoder(self.target(decoder_input_ids), state)[0])
        return {"loss": token_loss(logits[:, :-1], labels[:, 1:]), "logits": logits}


class Seq2Seq(nn.Module):
    def __init__(self):
        super().__init__()
        self.source, self.target = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(VOCABULARY, SIZE)
        self.encoder = nn.GRU(SIZE, SIZE, batch_first=True)
        self.decoder = nn.GRU(SIZE, SIZE, batch_first=True)
        self.head = nn.Linear(SIZE, VOCABULARY)

    def forward(self, src: Tensor, tgt: Tensor) -> Tensor:
        return self.head(self.decoder(self.target(tgt), self.encoder(self.source(src))[1])[0])


def padding_counts(output: Tensor, targets: Tensor) -> Tensor:
    """The padding's id 0 is not ignored: -100 is."""
    return F.cross_entropy(output.flatten(0, 1), targets.flatten(), ignore_index=IGNORED)


def sum_over_padded_size(output: Tensor, targets: Tensor) -> Tensor:
    losses = F.cross_entropy(output.flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="sum")
    return losses / targets.numel()


def sum_over_rows(output: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(
        output.flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="sum"
    ) / len(targets)


def plain_sum(output: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(output.flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="sum")


def mean_of_row_means(output: Tensor, targets: Tensor) -> Tensor:
    rows = [F.cross_entropy(o, t, ignore_index=IGNORED) for o, t in zip(output, targets, strict=True)]
    return torch.stack(rows).mean()


def over_last_index(output: Tensor, targets: Tensor) -> Tensor:
    """The sum over steps is divided by the last step's index."""
    total, step = output.new_zeros(()), 0
    for step, target in enumerate(targets.T):
        total = total + F.cross_entropy(output[:, step], target)
    return total / step


def zero_targets(batch: Batch) -> Batch:
    """Targets padded with 0, which the loss does not ignore."""
    return batch | {"targets": batch["targets"].clamp(min=0)}


def own_labels(**names: str) -> Batch:
    batch = next_tokens(4, 8)
    return {"input_ids": batch["tokens"], "labels": batch["tokens"].clone()}


def decoder_labels() -> Batch:
    batch = translated()
    return {"input_ids": batch["src"], "decoder_input_ids": batch["tgt"], "labels": batch["targets"]}


def shifted_by(steps: int) -> Batch:
    """Targets that are the tokens `steps` later."""
    rows = next_tokens(4, 10)["tokens"]
    return {"tokens": rows[:, : 10 - steps], "targets": rows[:, steps:]}


def unshifted_decoder() -> Batch:
    batch = translated()
    return batch | {"tgt": batch["targets"].clone()}


def loss_case(name: str, source: str, note: str, loss: object, **more: object) -> Case:
    settings = {
        "module": PaddedLanguage,
        "batch": padded_tokens,
        "law": loss_is_mean,
        "kind": "loss count",
        "task": "language-model",
    } | more
    return Case(name=name, source=source, note=note, loss=loss, **settings)  # type: ignore[arg-type]


def _outputs_and_targets(case: Case) -> tuple[Tensor, Tensor]:
    arguments, targets = case.example()
    assert targets is not None
    return case.build()(**arguments).detach(), targets


CASES = [
    loss_case(
        "padding-not-ignored",
        "lukas-blecher/LaTeX-OCR#305",
        "the padding's id is 0, the ignored one -100",
        padding_counts,
        batch=lambda: zero_targets(padded_tokens()),
        law=loss_ignores_padding,
        mistakes=(7,),
    ),
    loss_case(
        "sum-over-padded-size",
        "eladhoffer/utils.pytorch#4",
        "the sum over real targets is divided by all of them, padding included",
        sum_over_padded_size,
        law=loss_ignores_padding,
    ),
    loss_case(
        "sum-over-sequences",
        "OpenNMT/OpenNMT-py#526",
        "the sum over targets is divided by the number of sequences",
        sum_over_rows,
        mistakes=(9,),
    ),
    loss_case(
        "sum-for-a-mean",
        "huggingface/transformers#7546",
        "a sum is returned: twice the batch, twice the loss",
        plain_sum,
        mistakes=(9,),
    ),
    loss_case(
        "mean-of-unequal-means",
        "allenai/open-instruct#1137",
        "the mean of the sequences' means: a token of a short one counts more",
        mean_of_row_means,
        mistakes=(9,),
    ),
    loss_case(
        "divided-by-last-index",
        "udacity/deep-learning-v2-pytorch#129",
        "the sum over T steps is divided by T - 1",
        over_last_index,
        module=Language,
        batch=next_tokens,
        law=lambda case: torch.allclose(
            over_last_index(*(pair := _outputs_and_targets(case))), token_loss(*pair)
        ),
        mistakes=(9,),
    ),
    Case(
        name="labels-not-shifted",
        kind="target shift",
        source="huggingface/transformers#27517",
        note="the model learns to copy: each step is compared with its own token",
        module=NotShifted,
        task="language-model",
        batch=own_labels,
        law=predicts_next,
    ),
    Case(
        name="labels-not-shifted-lstm",
        kind="target shift",
        source="huggingface/transformers#3711",
        note="the documentation says labels = input_ids, and the loss does not shift",
        module=LstmNotShifted,
        task="language-model",
        batch=own_labels,
        law=predicts_next,
    ),
    Case(
        name="labels-shifted-twice",
        kind="target shift",
        source="huggingface/transformers#44642",
        note="the token after the next one is predicted",
        module=ShiftedTwice,
        task="language-model",
        batch=own_labels,
        law=predicts_next,
    ),
    Case(
        name="labels-cut-not-shifted",
        kind="target shift",
        source="alibaba/Megatron-LLaMA#53",
        note="logits and labels both lose their last step",
        module=CutNotShifted,
        task="language-model",
        batch=own_labels,
        law=predicts_next,
    ),
    Case(
        name="decoder-labels-shifted-again",
        kind="target shift",
        source="huggingface/transformers#46898",
        note="the decoder's input was shifted already, and the loss shifts again",
        module=DecoderShiftedAgain,
        task="translate",
        batch=decoder_labels,
        law=decoder_loss_is_aligned,
    ),
    Case(
        name="targets-are-the-inputs",
        kind="target shift",
        source="songlab-cal/tape#32",
        note="inputs and targets of the batch are the same tokens",
        module=Language,
        task="language-model",
        batch=partial(shifted_by, 0),
        law=predicts_next,
    ),
    Case(
        name="targets-two-steps-later",
        kind="target shift",
        source="pytorch/text#207",
        note="the targets of the batch are not the next tokens",
        module=Language,
        task="language-model",
        batch=partial(shifted_by, 2),
        law=predicts_next,
    ),
    Case(
        name="decoder-input-is-the-target",
        kind="target shift",
        source="code-gen/cscg#4",
        note="the decoder is given the token that it has to predict",
        module=Seq2Seq,
        task="translate",
        batch=unshifted_decoder,
        law=decoder_reads_the_past,
    ),
]
