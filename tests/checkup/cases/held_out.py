"""Cases that were written after the probes, to measure them on what they have not seen.

Legend: B sequences, T steps, H features, V outputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

import torch
import torch.nn.functional as F
from cases import data_laws
from cases.case import HEALTHY, Batch, Case, PipelineCase, Split
from cases.laws import (
    both_sides,
    deterministic,
    evaluation_equals_training,
    final_state,
    gives_logits,
    gradients_reach_back,
    ids_are_symbols,
    loss_ignores_padding,
    no_look_ahead,
    other_lengths,
    padding_amount,
    padding_content,
    parameters_used,
    predicts_next,
    rows_independent,
    setting_acts,
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
    log_probability_loss,
    next_tokens,
    numbers,
    padded_labelled,
    padded_numbers,
    padded_tokens,
    real,
    token_loss,
    translated,
)
from cases.pipelines import END, Batches, Example, collate, examples, fours, loaded, shuffled
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm


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
    """A linear layer of one input in the place of an embedding."""

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
        return self.head(self.gru(self.embedding(tokens))[0])


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


BROKEN = [
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
        "outputs at the padding are hidden, the state behind them is not",
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


class NormedWeights(nn.Module):
    """Weights with a norm and a direction: parameters of another shape."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.convolution = weight_norm(nn.Conv1d(SIZE, SIZE, 3))
        self.head = nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens).transpose(1, 2)
        return self.head((x + self.convolution(F.pad(x, (2, 0))).tanh()).transpose(1, 2))


class LearnedQuery(nn.Module):
    """One learned query reads the sequence; there is no pooling."""

    def __init__(self):
        super().__init__()
        self.embedding, self.positions = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(64, SIZE)
        self.query, self.head = nn.Parameter(torch.randn(1, 1, SIZE)), nn.Linear(SIZE, CLASSES)
        self.attention = nn.MultiheadAttention(SIZE, 2, batch_first=True)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Output:
        x = self.embedding(input_ids) + self.positions(torch.arange(input_ids.shape[1]))
        query = self.query.expand(len(x), 1, SIZE)
        found, _ = self.attention(query, x, x, key_padding_mask=attention_mask == 0)
        return Output(self.head(found[:, 0]))


class MixtureOfSoftmaxes(nn.Module):
    """The output is the logarithm of a mixture of probabilities."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.lstm, self.weights = nn.LSTM(SIZE, SIZE, batch_first=True), nn.Linear(SIZE, 2)
        self.head = nn.Linear(SIZE, 2 * VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        x, _ = self.lstm(self.embedding(tokens))
        parts = self.head(x).unflatten(2, (2, VOCABULARY)).softmax(dim=-1)
        return (self.weights(x).softmax(dim=-1).unsqueeze(3) * parts).sum(dim=2).log()


class IdentityRecurrence(nn.Module):
    """A ReLU recurrence that starts as the identity."""

    def __init__(self):
        super().__init__()
        self.rnn = nn.RNN(FEATURES, SIZE, nonlinearity="relu", batch_first=True)
        self.head = nn.Linear(SIZE, CLASSES)
        nn.init.eye_(self.rnn.get_parameter("weight_hh_l0"))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rnn(x)[0][:, -1])


class BoundedEmbedding(nn.Module):
    """Vectors are scaled back to norm 1 in the forward pass, in place."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE, max_norm=1.0)
        self.gru, self.head = nn.GRU(SIZE, SIZE, batch_first=True), nn.Linear(SIZE, CLASSES)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.gru(self.embedding(tokens))[1][0])


class OptionalLabels(nn.Module):
    """Labels are an argument that may be left out."""

    def __init__(self):
        super().__init__()
        self.embedding, self.positions = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(64, SIZE)
        self.layer = nn.TransformerEncoderLayer(SIZE, 2, 16, dropout=0.1, batch_first=True)
        self.head = nn.Linear(SIZE, CLASSES)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, labels: Tensor | None = None
    ) -> dict[str, Tensor]:
        x = self.embedding(input_ids) + self.positions(torch.arange(input_ids.shape[1]))
        mask = None if attention_mask is None else attention_mask == 0
        logits = self.head(self.layer(x, src_key_padding_mask=mask)[:, 0])
        return {"logits": logits} | ({} if labels is None else {"loss": F.cross_entropy(logits, labels)})


class MovingAverage(nn.Module):
    """An exponential moving average of the inputs, with a share that is learned."""

    def __init__(self):
        super().__init__()
        self.embedding, self.share = nn.Embedding(VOCABULARY, SIZE), nn.Parameter(torch.zeros(SIZE))
        self.head = nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x, share, outputs = self.embedding(tokens), self.share.sigmoid(), []
        average = x.new_zeros(1, len(x), SIZE) if state is None else state
        for step in x.unbind(dim=1):
            average = average + share * (step - average)
            outputs.append(average[0])
        return self.head(torch.stack(outputs, dim=1)), average


class SampledInTraining(nn.Module):
    """Gates are sampled in training; in evaluation the likelier one is taken."""

    def __init__(self):
        super().__init__()
        self.embedding, self.gate = nn.Embedding(VOCABULARY, SIZE), nn.Linear(SIZE, 2)
        self.gru, self.head = nn.GRU(SIZE, SIZE, batch_first=True), nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        logits = self.gate(x)
        gate = F.gumbel_softmax(logits, dim=-1) if self.training else logits.softmax(dim=-1)
        return self.head(self.gru(gate[..., :1] * x)[0])


class AdditiveAttention(nn.Module):
    """An attention decoder that feeds its context into the next step."""

    def __init__(self):
        super().__init__()
        self.source, self.target = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(VOCABULARY, SIZE)
        self.encoder = nn.GRU(SIZE, SIZE, batch_first=True)
        self.cell, self.score = nn.GRUCell(2 * SIZE, SIZE), nn.Linear(2 * SIZE, 1)
        self.head = nn.Linear(2 * SIZE, VOCABULARY)

    def forward(self, src: Tensor, tgt: Tensor) -> Tensor:
        memory, state = self.encoder(self.source(src))
        state, outputs = state[0], []
        for step in self.target(tgt).unbind(dim=1):
            pairs = torch.cat([memory, state.unsqueeze(1).expand_as(memory)], dim=2)
            context = (self.score(pairs.tanh()).softmax(dim=1) * memory).sum(dim=1)
            state = self.cell(torch.cat([step, context], dim=1), state)
            outputs.append(torch.cat([state, context], dim=1))
        return self.head(torch.stack(outputs, dim=1))


class FixedWindow(nn.Module):
    """A dense layer over all steps of a window, whose length is fixed by design."""

    def __init__(self):
        super().__init__()
        self.embedding, self.hidden = nn.Embedding(VOCABULARY, SIZE), nn.Linear(6 * SIZE, SIZE)
        self.head = nn.Linear(SIZE, CLASSES)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.hidden(self.embedding(tokens).flatten(1)).relu())


HEALTHY_CASES = [
    held_out(name, HEALTHY, source, note, module, **more)
    for name, source, note, module, more in (
        (
            "weights-normed",
            "locuslab/TCN#8",
            "a parametrized weight is no parameter itself",
            NormedWeights,
            {"exempt": ("remembers",)},
        ),
        (
            "learned-query",
            "LAION-AI/temporal-embedding-aggregation#14",
            "the query does not depend on the input",
            LearnedQuery,
            {"task": "classify", "batch": partial(padded_labelled, name="input_ids", mask=True)},
        ),
        (
            "mixture-of-softmaxes",
            "salesforce/awd-lstm-lm#97",
            "softmax before the loss, and a logarithm after it",
            MixtureOfSoftmaxes,
            {"loss": log_probability_loss},
        ),
        (
            "identity-recurrence",
            "datawhalechina/leedl-tutorial#40",
            "a ReLU recurrence without saturation: its weights start as the identity",
            IdentityRecurrence,
            {"task": "classify", "batch": numbers},
        ),
        (
            "embedding-bounded",
            "bentrevett/pytorch-seq2seq#89",
            "the forward pass changes a weight: its rows are scaled to a largest norm",
            BoundedEmbedding,
            {"task": "classify", "batch": labelled},
        ),
        (
            "labels-optional",
            "huggingface/transformers#37993",
            "an argument that changes no output: the labels",
            OptionalLabels,
            {
                "task": "classify",
                "batch": partial(padded_labelled, name="input_ids", mask=True),
                "loss": token_loss,
            },
        ),
        (
            "moving-average",
            "johnma2006/mamba-minimal#11",
            "a recurrence without a matrix: each feature for itself",
            MovingAverage,
            {},
        ),
        (
            "gates-sampled-in-training",
            "SeanNaren/deepspeech.pytorch#22",
            "random in training, the expectation in evaluation",
            SampledInTraining,
            {"exempt": ("evaluation_equals_training",)},
        ),
        (
            "additive-attention",
            "d2l-ai/d2l-en#1013",
            "the context of one step is the input of the next",
            AdditiveAttention,
            {"task": "translate", "batch": translated},
        ),
        (
            "window-of-fixed-length",
            "keras-team/keras#233",
            "a dense layer over all steps: one length, by design",
            FixedWindow,
            {"task": "classify", "batch": labelled},
        ),
    )
]


def same_order(data: list[Example]) -> Iterator[list[Example]]:
    """Shuffled, from the same seed in each pass."""
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(0)).tolist()
    yield from fours([data[index] for index in order])


def within_budget(data: list[Example]) -> Iterator[list[Example]]:
    """Batches of at most 20 tokens; an example that does not fit is skipped."""
    batch: list[Example] = []
    for example in shuffled(data):
        if sum(len(tokens) for tokens, _ in [*batch, example]) <= 20:
            batch.append(example)
        else:
            yield batch
            batch = []
    if batch:
        yield batch


def shifted_labels(data: list[Example]) -> Iterator[list[Example]]:
    """A header line is skipped in one of two files."""
    labels = [label for _, label in data[1:]] + [data[0][1]]
    pairs = list(zip([tokens for tokens, _ in data], labels, strict=True))
    yield from fours(shuffled(pairs))


def padded_everywhere(batch: list[Example]) -> dict[str, Tensor]:
    """Every row has the length of the longest."""
    found = collate(batch)
    return found | {"lengths": torch.full_like(found["lengths"], found["tokens"].shape[1])}


def overlapping_windows() -> Mapping[str, Split]:
    """Windows of a series are split at random, though they overlap and repeat."""
    data = examples(12)
    return {"train": loaded(data[:9] + data[9:10]), "valid": loaded(data[9:], shuffle=False)}


def pipeline(name: str, kind: str, source: str, note: str, splits: object, **more: object) -> PipelineCase:
    settings = {"broken": data_laws.EVERY.get(kind, lambda case: False)} | more
    return PipelineCase(name=name, kind=kind, source=source, note=note, splits=splits, **settings)  # type: ignore[arg-type]


BROKEN_PIPELINES = [
    pipeline(
        "same-order-each-epoch",
        "never shuffled",
        "neulab/xnmt#131",
        "shuffled once: every epoch has the same order",
        lambda: {"train": Split(data := examples(), Batches(data, same_order))},
    ),
    pipeline(
        "skipped-beyond-budget",
        "examples lost",
        "luxonis/luxonis-train#277",
        "what does not fit into a batch any more is discarded",
        lambda: {"train": Split(data := examples(), Batches(data, within_budget))},
    ),
    pipeline(
        "labels-shifted-by-one",
        "labels misaligned",
        "neulab/xnmt#131",
        "a minority of lines is unaligned: one side starts one line later",
        lambda: {"train": Split(data := examples(), Batches(data, shifted_labels))},
    ),
    pipeline(
        "length-of-the-longest",
        "wrong lengths",
        "OpenNMT/OpenNMT-py#190",
        "all rows are said to be as long as the batch",
        lambda: {"train": loaded(examples(), collate_fn=padded_everywhere)},
    ),
    pipeline(
        "windows-in-both-splits",
        "splits overlap",
        "zhouhaoyi/Informer2020#297",
        "the splits share windows",
        overlapping_windows,
    ),
]


def added_in_the_collator(batch: list[Example]) -> dict[str, Tensor]:
    """The end token is added before padding."""
    return collate([([*tokens, END], label) for tokens, label in batch])


HEALTHY_PIPELINES = [
    pipeline(
        "end-added-in-the-collator",
        HEALTHY,
        "asyml/texar-pytorch#154",
        "examples have no end token, batches do",
        lambda: {"train": loaded(examples(), collate_fn=added_in_the_collator)},
        end=END,
    ),
    pipeline(
        "shuffled-buckets-of-a-pool",
        HEALTHY,
        "pytorch/text#69",
        "sorted within a pool, which is drawn again in each pass",
        lambda: {
            "train": Split(
                data := examples(30),
                Batches(data, lambda rows: fours(sorted(shuffled(rows), key=lambda e: len(e[0]) // 2))),
            )
        },
    ),
]
