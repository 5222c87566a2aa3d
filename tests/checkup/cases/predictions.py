"""Outputs and losses that do not fit. Legend: B sequences, T steps, H features, V outputs."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from cases.case import Batch, Case
from cases.laws import (
    both_sides,
    decoder_loss_is_aligned,
    decoder_reads_the_past,
    evaluation_equals_training,
    gives_logits,
    loss_ignores_padding,
    loss_is_mean,
    not_saturated,
    outputs_vary,
    parameters_used,
    predicts_next,
    starts_at_chance,
)
from cases.parts import (
    CLASSES,
    FEATURES,
    IGNORED,
    SIZE,
    VOCABULARY,
    attend,
    binary_loss,
    causal,
    labelled,
    next_tokens,
    numbers,
    padded_labelled,
    padded_tokens,
    probability_loss,
    square_loss,
    token_loss,
    translated,
)
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


class Tagger(nn.Module):
    """A GRU language model for losses that are wrong."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.gru, self.head = nn.GRU(SIZE, SIZE, batch_first=True), nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.gru(self.embedding(tokens))[0])


class PaddedTagger(Tagger):
    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(tokens)


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


class LoudHead(Tagger):
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
        "module": PaddedTagger,
        "batch": padded_tokens,
        "law": loss_is_mean,
        "kind": "loss count",
        "task": "language-model",
    } | more
    return Case(name=name, source=source, note=note, loss=loss, **settings)  # type: ignore[arg-type]


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
        module=Tagger,
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
        module=Tagger,
        task="language-model",
        batch=partial(shifted_by, 0),
        law=predicts_next,
    ),
    Case(
        name="targets-two-steps-later",
        kind="target shift",
        source="pytorch/text#207",
        note="the targets of the batch are not the next tokens",
        module=Tagger,
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


def _outputs_and_targets(case: Case) -> tuple[Tensor, Tensor]:
    arguments, targets = case.example()
    assert targets is not None
    return case.build()(**arguments).detach(), targets
