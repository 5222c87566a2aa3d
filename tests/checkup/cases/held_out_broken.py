"""Broken modules that were written after the probes, to measure these on what they have not seen.

Legend: B rows, T steps, H features, V outputs.
"""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from cases.case import Batch, Case
from cases.laws import (
    both_sides,
    deterministic,
    evaluation_equals_training,
    final_state,
    gives_logits,
    ids_are_symbols,
    loss_ignores_padding,
    no_look_ahead,
    other_lengths,
    padding_amount,
    padding_content,
    predicts_next,
    rows_independent,
    whole_equals_chunks,
    whole_equals_pieces,
)
from cases.parts import (
    CLASSES,
    FEATURES,
    IGNORED,
    LENGTHS,
    SIZE,
    VOCABULARY,
    Output,
    attend,
    binary_loss,
    causal,
    labelled,
    next_tokens,
    numbers,
    padded_labelled,
    padded_numbers,
    padded_tokens,
    real,
    translated,
)
from cases.training_laws import gradients_reach_back, parameters_used, setting_acts
from torch import Tensor, nn


class SoftmaxOverQueries(nn.Module):
    """The softmax of the attention runs over the queries: later ones change the weights of earlier ones."""

    def __init__(self):
        super().__init__()
        self.embedding, self.positions = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(64, SIZE)
        self.keys, self.head = nn.Linear(SIZE, SIZE), nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens) + self.positions(torch.arange(tokens.shape[1]))
        scores = (x @ self.keys(x).transpose(1, 2)).masked_fill(~causal(tokens.shape[1]), -1e9)
        return self.head(x + scores.softmax(dim=1) @ x)


class SumOverAllSteps(nn.Module):
    """A gated recurrence whose inputs are divided by their sum over all steps."""

    def __init__(self):
        super().__init__()
        self.gru, self.head = nn.GRU(FEATURES, SIZE, num_layers=2, batch_first=True), nn.Linear(SIZE, CLASSES)

    def forward(self, x: Tensor) -> Output:
        x = x / (1 + x.abs().sum(dim=1, keepdim=True))
        return Output(self.head(self.gru(x)[0]))


class TokensByView(nn.Module):
    """Batch-first ids are viewed as time-first ones."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.gru, self.head = nn.GRU(SIZE, SIZE), nn.Linear(SIZE, VOCABULARY)

    def forward(self, input_ids: Tensor) -> dict[str, Tensor]:
        B, T = input_ids.shape
        output, _ = self.gru(self.embedding(input_ids.view(T, B)))
        return {"logits": self.head(output.transpose(0, 1))}


class CentredOnBatch(nn.Module):
    """Features are centred by their mean over the batch."""

    def __init__(self):
        super().__init__()
        self.convolution, self.head = nn.Conv1d(FEATURES, SIZE, 3), nn.Linear(SIZE, CLASSES)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = self.convolution(F.pad(x - x.mean(dim=0), (0, 0, 2, 0)).transpose(1, 2)).relu()
        return self.head(y.mean(dim=2)), y


class MaskAfterPooling(nn.Module):
    """Attention pooling: padding takes part in the softmax, and is zeroed after it."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(FEATURES, SIZE, batch_first=True)
        self.score, self.head = nn.Linear(SIZE, 1), nn.Linear(SIZE, CLASSES)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        y, _ = self.lstm(x)
        weights = self.score(y).softmax(dim=1) * real(lengths.tolist(), x.shape[1]).unsqueeze(2)
        return self.head((weights * y).sum(dim=1))


class OnePaddingTooMany(nn.Module):
    """The mask of a Transformer encoder lets one padding token in."""

    def __init__(self):
        super().__init__()
        self.embedding, self.positions = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(64, SIZE)
        self.layer = nn.TransformerEncoderLayer(SIZE, 2, 16, dropout=0.1, batch_first=True)
        self.head = nn.Linear(SIZE, CLASSES)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        steps = torch.arange(tokens.shape[1])
        x = self.embedding(tokens) + self.positions(steps)
        return self.head(self.layer(x, src_key_padding_mask=steps > lengths.unsqueeze(1))[:, 0])


class BackwardStateThroughPadding(nn.Module):
    """A bidirectional encoder without packing gives the decoder a state that began in the padding."""

    def __init__(self):
        super().__init__()
        self.source, self.target = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(VOCABULARY, SIZE)
        self.encoder = nn.LSTM(SIZE, SIZE, bidirectional=True, batch_first=True)
        self.decoder = nn.LSTM(SIZE, 2 * SIZE, batch_first=True)
        self.head = nn.Linear(2 * SIZE, VOCABULARY)

    def forward(self, src: Tensor, src_lengths: Tensor, tgt: Tensor) -> Tensor:
        _, states = self.encoder(self.source(src))
        h, c = (torch.cat([each[0], each[1]], dim=1).unsqueeze(0) for each in states)
        return self.head(self.decoder(self.target(tgt), (h, c))[0])


class LastColumnState(nn.Module):
    """An Elman language model that masks its outputs, and not the state that it returns."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.rnn, self.head = nn.RNN(SIZE, SIZE, batch_first=True), nn.Linear(SIZE, VOCABULARY)

    def forward(
        self, tokens: Tensor, lengths: Tensor | None = None, hidden: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        output, new = self.rnn(self.embedding(tokens), hidden)
        if lengths is not None:
            output = output * real(lengths.tolist(), tokens.shape[1]).unsqueeze(2)
        return self.head(output), new


class PositionsFromZero(nn.Module):
    """A recurrence with positions that start at zero in each call."""

    def __init__(self):
        super().__init__()
        self.embedding, self.positions = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(64, SIZE)
        self.gru, self.head = nn.GRU(SIZE, SIZE, batch_first=True), nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor, hx: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x = self.embedding(tokens) + self.positions(torch.arange(tokens.shape[1]))
        output, new = self.gru(x, hx)
        return self.head(output), new


class LayersReversed(nn.Module):
    """The states of two layers come back in the opposite order."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.gru, self.head = nn.GRU(SIZE, SIZE, num_layers=2, batch_first=True), nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor, state: Tensor | None = None) -> dict[str, Tensor]:
        output, new = self.gru(self.embedding(tokens), state)
        return {"logits": self.head(output), "state": new.flip(0)}


class ProjectedIds(nn.Module):
    """A linear layer of one input instead of an embedding."""

    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Linear(1, SIZE), nn.Linear(SIZE, CLASSES)
        self.layer = nn.TransformerEncoderLayer(SIZE, 2, 16, dropout=0.0, batch_first=True)
        self.positions = nn.Embedding(64, SIZE)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens.to(self.head.weight.dtype).unsqueeze(2))
        return self.head(self.layer(x + self.positions(torch.arange(tokens.shape[1]))).mean(dim=1))


class SigmoidPerStep(nn.Module):
    """Several labels for each step: the sigmoid is applied by the model and by the loss."""

    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(FEATURES, SIZE, bidirectional=True, batch_first=True)
        self.head = nn.Linear(2 * SIZE, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.gru(x)[0]).sigmoid()


class ClampedLogits(nn.Module):
    """Logits cannot fall below zero."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.lstm, self.head = nn.LSTM(SIZE, SIZE, batch_first=True), nn.Linear(SIZE, CLASSES)

    def forward(self, tokens: Tensor) -> dict[str, Tensor]:
        return {"logits": self.head(self.lstm(self.embedding(tokens))[1][0][-1]).clamp(min=0)}


class DetachedPositions(nn.Module):
    """Learned positions that are detached: they stay as they were drawn."""

    def __init__(self):
        super().__init__()
        self.embedding, self.positions = nn.Embedding(VOCABULARY, SIZE), nn.Parameter(torch.randn(64, SIZE))
        self.keys, self.head = nn.Linear(SIZE, SIZE), nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens) + self.positions[: tokens.shape[1]].detach()
        return self.head(x + attend(x, self.keys(x), x, causal(tokens.shape[1])))


class DoublingState(nn.Module):
    """The state doubles at each step."""

    def __init__(self):
        super().__init__()
        self.input, self.head = nn.Linear(FEATURES, SIZE), nn.Linear(SIZE, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        state = x.new_zeros(len(x), SIZE)
        for step in x.unbind(dim=1):
            state = 2 * state + self.input(step)
        return self.head(state)


class SampledGates(nn.Module):
    """Gates are sampled in evaluation as in training."""

    def __init__(self):
        super().__init__()
        self.embedding, self.gate = nn.Embedding(VOCABULARY, SIZE), nn.Linear(SIZE, 2)
        self.gru, self.head = nn.GRU(SIZE, SIZE, batch_first=True), nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        gate = F.gumbel_softmax(self.gate(x), dim=-1)[..., :1]
        return self.head(self.gru(gate * x)[0])


class ScaledInEvaluation(nn.Module):
    """Dropout without the division by the share that is kept; evaluation multiplies, twice."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.gru, self.head = nn.GRU(SIZE, SIZE, batch_first=True), nn.Linear(SIZE, CLASSES)
        self.dropout = nn.Dropout(0.5)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.dropout(self.gru(self.embedding(tokens))[1][0])
        return self.head(x if self.training else 0.5 * x)


class PositionsForOneLength(nn.Module):
    """Positions are added whole: only sequences of their length fit."""

    def __init__(self):
        super().__init__()
        self.embedding, self.positions = nn.Embedding(VOCABULARY, SIZE), nn.Parameter(torch.randn(6, SIZE))
        self.layer = nn.TransformerEncoderLayer(SIZE, 2, 16, dropout=0.0, batch_first=True)
        self.head = nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        mask = torch.full((tokens.shape[1],) * 2, -torch.inf, dtype=self.positions.dtype).triu(1)
        return self.head(self.layer(self.embedding(tokens) + self.positions, src_mask=mask))


class DirectionsIgnored(nn.Module):
    """A setting for both directions that no layer gets."""

    def __init__(self, hidden_size: int = SIZE, bidirectional: bool = True):
        super().__init__()
        self.bidirectional = bidirectional
        self.embedding = nn.Embedding(VOCABULARY, hidden_size)
        self.gru = nn.GRU(hidden_size, hidden_size, batch_first=True)
        self.head = nn.Linear(hidden_size, CLASSES)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        output, _ = self.gru(self.embedding(tokens))
        return self.head(output[torch.arange(len(tokens)), lengths - 1])


class Plain(nn.Module):
    """A GRU language model with lengths, for losses and targets that are wrong."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.gru, self.head = nn.GRU(SIZE, SIZE, batch_first=True), nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor, lengths: Tensor | None = None) -> Tensor:
        x, _ = self.gru(self.embedding(tokens))
        if lengths is not None:
            x = x * real(lengths.tolist(), tokens.shape[1]).unsqueeze(2)
        return self.head(x)


def masked_then_averaged(output: Tensor, targets: Tensor) -> Tensor:
    """Losses of ignored targets are zero, and count in the mean."""
    losses = F.cross_entropy(output.flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="none")
    return losses.mean()


def previous_tokens() -> Batch:
    rows = next_tokens(4, 9)["tokens"]
    return {"tokens": rows[:, 1:], "targets": rows[:, :-1]}


def several_labels() -> Batch:
    batch = numbers()
    return batch | {"targets": (torch.arange(72).view(4, 6, 3) % 2).float()}


def held_out(name: str, kind: str, source: str, note: str, module: object, **more: object) -> Case:
    settings = {"task": "language-model", "batch": next_tokens} | more
    return Case(name=name, kind=kind, source=source, note=note, module=module, **settings)  # type: ignore[arg-type]


CASES = [
    held_out(
        "softmax-over-queries",
        "look-ahead",
        "nerdai/llms-from-scratch-rs#30",
        "the softmax of the scores runs along the wrong axis",
        SoftmaxOverQueries,
        law=no_look_ahead,
    ),
    held_out(
        "divided-by-sum-of-all-steps",
        "look-ahead",
        "Kismuz/btgym#79",
        "normalisation uses all time steps, not only the past ones",
        SumOverAllSteps,
        batch=partial(numbers, per_step=True),
        law=no_look_ahead,
    ),
    held_out(
        "ids-viewed-time-first",
        "axes scrambled",
        "hunkim/PyTorchZeroToAll#15",
        "a view of the ids where a transpose is meant",
        TokensByView,
        batch=partial(next_tokens, 4, 6, name="input_ids"),
        law=rows_independent,
    ),
    held_out(
        "centred-on-the-batch",
        "rows mixed",
        "seorim0/SE-using-SRL-Model#2",
        "the mean of the batch is subtracted, in evaluation too",
        CentredOnBatch,
        task="classify",
        batch=numbers,
        law=rows_independent,
    ),
    held_out(
        "pooling-masked-after-softmax",
        "padding",
        "LAION-AI/temporal-embedding-aggregation#12",
        "the weights of real steps shrink with the padding",
        MaskAfterPooling,
        task="classify",
        batch=padded_numbers,
        law=padding_amount,
    ),
    held_out(
        "mask-lets-one-padding-in",
        "padding",
        "bzantium/Posterior-Knowledge-Selection#8",
        "the mask is longer than the sentence by one",
        OnePaddingTooMany,
        task="classify",
        batch=padded_labelled,
        law=padding_content,
    ),
    held_out(
        "backward-state-through-padding",
        "state after padding",
        "lancopku/SU4MLC#11",
        "the sequence is packed after the encoder, not before it",
        BackwardStateThroughPadding,
        task="translate",
        batch=partial(translated, lengths=LENGTHS),
        law=padding_content,
    ),
    held_out(
        "state-of-last-column",
        "state after padding",
        "huggingface/transformers#1225",
        "outputs at the padding are hidden, the state that is returned is not",
        LastColumnState,
        batch=padded_tokens,
        law=final_state,
    ),
    held_out(
        "positions-restart",
        "whole and steps differ",
        "rasbt/reasoning-from-scratch#33",
        "each call counts its positions from zero",
        PositionsFromZero,
        law=whole_equals_pieces,
    ),
    held_out(
        "states-of-layers-reversed",
        "whole and steps differ",
        "IBM/pytorch-seq2seq#126",
        "which part of the state belongs to which layer is mixed up",
        LayersReversed,
        law=whole_equals_chunks,
    ),
    held_out(
        "ids-through-a-linear-layer",
        "raw ids",
        "d2l-ai/d2l-vi#1708",
        "numerical indices are fed directly to a network",
        ProjectedIds,
        task="classify",
        batch=labelled,
        law=ids_are_symbols,
    ),
    held_out(
        "sigmoid-per-step-twice",
        "softmax before loss",
        "Turoad/lanedet#32",
        "a sigmoid in the head and one in the loss",
        SigmoidPerStep,
        task="classify",
        batch=several_labels,
        loss=binary_loss,
        law=gives_logits,
    ),
    held_out(
        "logits-clamped",
        "dead output",
        "carpedm20/visual-analogy-tensorflow#1",
        "the last layer cuts off what is below zero",
        ClampedLogits,
        task="classify",
        batch=labelled,
        law=both_sides,
    ),
    held_out(
        "positions-detached",
        "parameter unused",
        "arxyzan/data2vec-pytorch#8",
        "a parameter that is detached where it is used",
        DetachedPositions,
        law=parameters_used,
    ),
    held_out(
        "state-doubles",
        "gradient through time",
        "AlexanderVNikitin/tsgm#59",
        "a linear recurrence with the factor 2 over 60 steps",
        DoublingState,
        task="classify",
        batch=partial(numbers, 4, 60),
        law=gradients_reach_back,
    ),
    held_out(
        "gates-sampled",
        "non-determinism",
        "raharth/PyMatch#17",
        "a sample decides in evaluation",
        SampledGates,
        law=deterministic,
    ),
    held_out(
        "scaled-in-evaluation",
        "train and eval differ",
        "Element-Research/rnn#27",
        "evaluation scales what training has already scaled",
        ScaledInEvaluation,
        task="classify",
        batch=labelled,
        law=evaluation_equals_training,
    ),
    held_out(
        "positions-for-one-length",
        "one size",
        "bentrevett/pytorch-seq2seq#89",
        "positions are a table of fixed length, added as it is",
        PositionsForOneLength,
        law=other_lengths,
    ),
    held_out(
        "directions-ignored",
        "setting unused",
        "pytorch/pytorch#71991",
        "a setting that is stored and read by nothing",
        DirectionsIgnored,
        task="classify",
        batch=padded_labelled,
        law=setting_acts(bidirectional=False),
    ),
    held_out(
        "masked-then-averaged",
        "loss count",
        "IBM/pytorch-seq2seq#125",
        "padding is left out of the sum, and counted in the mean",
        Plain,
        batch=padded_tokens,
        loss=masked_then_averaged,
        law=loss_ignores_padding,
    ),
    held_out(
        "targets-are-the-past",
        "target shift",
        "huggingface/transformers#35066",
        "the shift goes the wrong way: the token before is predicted",
        Plain,
        batch=previous_tokens,
        law=predicts_next,
    ),
]
