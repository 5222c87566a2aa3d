"""States and inputs that are lost, stale, or of the wrong size. Legend: B sequences, T steps, H features."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from cases.case import Batch, Case
from cases.laws import (
    other_sizes,
    remembers,
    rows_independent,
    uses,
    uses_every_state,
    whole_equals_chunks,
    whole_equals_pieces,
)
from cases.parts import (
    CLASSES,
    FEATURES,
    SIZE,
    VOCABULARY,
    attend,
    causal,
    labelled,
    next_tokens,
    numbers,
    padded_labelled,
    time_first_tokens,
    translated,
)
from torch import Tensor, nn

Pair = tuple[Tensor, Tensor]


class Recurrent(nn.Module):
    """An LSTM language model with a state; subclasses return another one."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.lstm = nn.LSTM(SIZE, SIZE, batch_first=True)
        self.head = nn.Linear(SIZE, VOCABULARY)

    def returned(self, given: Pair | None, new: Pair) -> Pair:
        return new

    def forward(self, tokens: Tensor, state: Pair | None = None) -> tuple[Tensor, Pair]:
        output, new = self.lstm(self.embedding(tokens), state)
        return self.head(output), self.returned(state, new)


class HiddenForCell(Recurrent):
    def returned(self, given: Pair | None, new: Pair) -> Pair:
        return new[0], new[0]


class SwappedPair(Recurrent):
    def returned(self, given: Pair | None, new: Pair) -> Pair:
        return new[1], new[0]


class ResetEachCall(Recurrent):
    """The state that is given is not the one that is used."""

    def forward(self, tokens: Tensor, state: Pair | None = None) -> tuple[Tensor, Pair]:
        output, new = self.lstm(self.embedding(tokens))
        return self.head(output), new


class FirstState(nn.Module):
    """The state after the first step is returned, not that after the last."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.gru, self.head = nn.GRU(SIZE, SIZE, batch_first=True), nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        output, _ = self.gru(self.embedding(tokens), state)
        return self.head(output), output[:, 0].unsqueeze(0)


class ScanWithStaleState(nn.Module):
    """A diagonal state space that returns the state before the last input."""

    def __init__(self):
        super().__init__()
        self.embedding, self.head = nn.Embedding(VOCABULARY, SIZE), nn.Linear(SIZE, VOCABULARY)
        self.decay = nn.Parameter(torch.rand(SIZE))

    def forward(self, tokens: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x, outputs = self.embedding(tokens), []
        new = torch.zeros_like(x[:, 0]).unsqueeze(0) if state is None else state
        previous = new
        for step in x.unbind(dim=1):
            previous, new = new, self.decay.sigmoid() * new + step
            outputs.append(new[0])
        return self.head(torch.stack(outputs, dim=1)), previous


class RetentionWithoutDecay(nn.Module):
    """Linear attention with decay in the parallel form, without it across the state."""

    def __init__(self):
        super().__init__()
        self.embedding, self.head = nn.Embedding(VOCABULARY, SIZE), nn.Linear(SIZE, VOCABULARY)
        self.keys, self.values = nn.Linear(SIZE, SIZE), nn.Linear(SIZE, SIZE)

    def forward(self, tokens: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x, steps = self.embedding(tokens), torch.arange(tokens.shape[1])
        keys, values = self.keys(x), self.values(x)
        decay = (0.8 ** (steps.unsqueeze(1) - steps).clamp(min=0)).tril().to(x.dtype)
        output = (x @ keys.transpose(1, 2) * decay) @ values
        if state is not None:
            output = output + x @ state[0]
        past = (keys * 0.8 ** (steps.flip(0)).unsqueeze(1)).transpose(1, 2) @ values
        return self.head(output), (past if state is None else past + state[0]).unsqueeze(0)


class CausalWindow(nn.Module):
    """A causal convolution that forgets its past inputs between calls."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.convolution, self.head = nn.Conv1d(SIZE, SIZE, 4), nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x = self.embedding(tokens).transpose(1, 2)
        output = self.convolution(F.pad(x, (3, 0))).relu().transpose(1, 2)
        return self.head(output), x[:, :, -1].unsqueeze(0)


class Cached(nn.Module):
    """Attention with a cache (1, B, T, 2H) of keys and values; subclasses spoil positions, mask or cache."""

    def __init__(self):
        super().__init__()
        self.embedding, self.positions = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(64, SIZE)
        self.queries, self.both = nn.Linear(SIZE, SIZE), nn.Linear(SIZE, 2 * SIZE)
        self.head = nn.Linear(SIZE, VOCABULARY)

    def offset(self, past: int) -> int:
        return past

    def allowed(self, steps: int, past: int) -> Tensor:
        return causal(steps + past)[past:]

    def kept(self, cache: Tensor, past: int) -> Tensor:
        return cache

    def forward(self, tokens: Tensor, cache: Tensor | None = None) -> tuple[Tensor, Tensor]:
        past, steps = 0 if cache is None else cache.shape[2], tokens.shape[1]
        x = self.embedding(tokens) + self.positions(torch.arange(steps) + self.offset(past))
        new = self.both(x).unsqueeze(0)
        whole = new if cache is None else torch.cat([cache, new], dim=2)
        keys, values = whole[0].chunk(2, dim=2)
        mixed = attend(self.queries(x), keys, values, self.allowed(steps, past))
        return self.head(x + mixed), self.kept(whole, past)


class PositionOneTooFar(Cached):
    def offset(self, past: int) -> int:
        return past + 1 if past else 0


class FirstKeyMissing(Cached):
    """The first token advances the cache without being written."""

    def kept(self, cache: Tensor, past: int) -> Tensor:
        return cache if past else torch.cat([torch.zeros_like(cache[:, :, :1]), cache[:, :, 1:]], dim=2)


class MaskTopLeft(Cached):
    """With a cache the mask's corner is at the wrong end: only the oldest keys are allowed."""

    def allowed(self, steps: int, past: int) -> Tensor:
        return torch.ones(steps, steps + past, dtype=torch.bool).tril()


class ForgottenEncoder(nn.Module):
    """A decoder that always starts from zeros."""

    def __init__(self):
        super().__init__()
        self.source, self.target = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(VOCABULARY, SIZE)
        self.encoder = nn.GRU(SIZE, SIZE, batch_first=True)
        self.decoder = nn.GRU(SIZE, SIZE, batch_first=True)
        self.head = nn.Linear(SIZE, VOCABULARY)

    def forward(self, src: Tensor, tgt: Tensor) -> Tensor:
        _, state = self.encoder(self.source(src))
        return self.head(self.decoder(self.target(tgt), torch.zeros_like(state))[0])


class DecoderWithoutMemory(nn.Module):
    """A decoder step that takes the encoder's outputs as an argument and does not read them."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.gru, self.head = nn.GRU(SIZE, SIZE, batch_first=True), nn.Linear(SIZE, VOCABULARY)

    def forward(self, tgt: Tensor, hidden: Tensor, encoder_outputs: Tensor) -> tuple[Tensor, Tensor]:
        output, hidden = self.gru(self.embedding(tgt), hidden)
        return self.head(output), hidden


class TargetOnly(nn.Module):
    """A Transformer decoder whose memory is its own input."""

    def __init__(self):
        super().__init__()
        self.source, self.target = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(VOCABULARY, SIZE)
        self.encoder = nn.TransformerEncoderLayer(SIZE, 2, 16, dropout=0.0, batch_first=True)
        self.head = nn.Linear(SIZE, VOCABULARY)

    def forward(self, src: Tensor, tgt: Tensor) -> dict[str, Tensor]:
        x = self.target(tgt)
        mask = torch.full((tgt.shape[1],) * 2, -torch.inf, dtype=x.dtype).triu(1)
        self.encoder(self.source(src))
        return {"logits": self.head(self.encoder(x, src_mask=mask))}


class OneStateForAllLayers(nn.Module):
    """Two layers that both start from the first layer's initial state."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.cells = nn.ModuleList(nn.GRUCell(SIZE, SIZE) for _ in range(2))
        self.head = nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor, hidden: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x, outputs = self.embedding(tokens), []
        first = x.new_zeros(len(x), SIZE) if hidden is None else hidden[0]
        states = [first, first]
        for step in x.unbind(dim=1):
            for index, cell in enumerate(self.cells):
                step = states[index] = cell(step, states[index])  # noqa: PLW2901
            outputs.append(step)
        return self.head(torch.stack(outputs, dim=1)), torch.stack(states)


class SegmentsFromTokens(nn.Module):
    """The segments are looked up with the token ids."""

    def __init__(self):
        super().__init__()
        self.embedding, self.segments = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(VOCABULARY, SIZE)
        self.gru, self.head = nn.GRU(SIZE, SIZE, batch_first=True), nn.Linear(SIZE, CLASSES)

    def forward(self, input_ids: Tensor, token_type_ids: Tensor) -> Tensor:
        x = self.embedding(input_ids) + self.segments(input_ids)
        return self.head(self.gru(x)[1][-1])


class IgnoredMask(nn.Module):
    """An attention pool that takes a mask and leaves it out."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.score, self.head = nn.Linear(SIZE, 1), nn.Linear(SIZE, CLASSES)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        x = self.embedding(input_ids)
        return self.head((self.score(x).softmax(dim=1) * x).sum(dim=1))


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


def with_state(batch: Batch, name: str = "hidden", layers: int = 1) -> Batch:
    rows = len(batch["targets"])
    return batch | {name: torch.randn(layers, rows, SIZE, generator=torch.Generator().manual_seed(4))}


def decoder_step() -> Batch:
    batch = translated()
    memory = torch.randn(4, 6, SIZE, generator=torch.Generator().manual_seed(5))
    return with_state({"tgt": batch["tgt"], "encoder_outputs": memory, "targets": batch["targets"]})


def segmented() -> Batch:
    batch = labelled(name="input_ids")
    return batch | {"token_type_ids": torch.tensor([[0, 0, 0, 1, 1, 1]]).repeat(4, 1)}


def state(name: str, source: str, note: str, module: type[nn.Module], **more: object) -> Case:
    """A language model whose whole and steps differ."""
    settings = {
        "kind": "whole and steps differ",
        "task": "language-model",
        "batch": partial(next_tokens, 4, 6),
        "law": whole_equals_pieces,
    }
    return Case(name=name, source=source, note=note, module=module, **(settings | more))  # type: ignore[arg-type]


CASES = [
    state("hidden-returned-as-cell", "salesforce/decaNLP#9", "the pair (h, h) is returned", HiddenForCell),
    state("hidden-and-cell-swapped", "microsoft/nni#2842", "the pair (c, h) is returned", SwappedPair),
    state(
        "state-reset-at-each-call",
        "ageron/handson-mlp#4",
        "each generated token starts from no state",
        ResetEachCall,
    ),
    state(
        "first-state-returned",
        "allenai/allenact#77",
        "the state after step 0 is kept",
        FirstState,
        law=whole_equals_chunks,
        mistakes=(11,),
    ),
    state(
        "scan-state-before-last-input",
        "state-spaces/mamba#500",
        "the returned state of a state space lacks the last input",
        ScanWithStaleState,
        mistakes=(11,),
    ),
    state(
        "retention-without-decay-of-state",
        "syncdoth/RetNet#7",
        "the recurrent form does not decay what the parallel form does",
        RetentionWithoutDecay,
        law=whole_equals_chunks,
    ),
    state(
        "convolution-forgets-its-window",
        "state-spaces/mamba#683",
        "stepwise reading pads with zeros instead of the past inputs",
        CausalWindow,
    ),
    state(
        "cached-positions-off-by-one",
        "microsoft/onnxruntime-genai#2354",
        "decoding starts one position too far",
        PositionOneTooFar,
    ),
    state(
        "first-key-not-cached",
        "TrenTorch/TrenTorch#192",
        "position 0 of the cache stays zero",
        FirstKeyMissing,
    ),
    state(
        "cached-mask-top-left",
        "lucidrains/x-transformers#219",
        "the causal mask is aligned to the first key, not to the last",
        MaskTopLeft,
    ),
    state(
        "encoder-state-not-passed",
        "nyu-dl/dl4mt-tutorial#65",
        "the decoder starts from zeros instead of the encoder's state",
        ForgottenEncoder,
        kind="input unused",
        task="translate",
        batch=translated,
        law=uses("src"),
        mistakes=(2,),
    ),
    state(
        "encoder-outputs-not-read",
        "pytorch/tutorials#126",
        "an argument of the attention decoder is never used",
        DecoderWithoutMemory,
        kind="input unused",
        task="translate",
        batch=decoder_step,
        law=uses("encoder_outputs"),
    ),
    state(
        "decoder-reads-only-the-target",
        "OpenNMT/OpenNMT-py#882",
        "the source is encoded and thrown away",
        TargetOnly,
        kind="input unused",
        task="translate",
        batch=translated,
        law=uses("src"),
    ),
    state(
        "initial-state-not-passed",
        "pytorch/tutorials#55",
        "a hidden state is prepared for the LSTM, which is called without it",
        type("UnusedInitial", (ResetEachCall,), {"__doc__": "An LSTM without its initial state."}),
        kind="input unused",
        batch=lambda: next_tokens() | {"state": (torch.ones(1, 4, SIZE), torch.ones(1, 4, SIZE))},
        law=uses("state"),
    ),
    state(
        "one-initial-state-for-all-layers",
        "pclucas14/GansFallingShort#2",
        "the second layer starts from the first layer's state",
        OneStateForAllLayers,
        kind="input unused",
        batch=lambda: with_state(next_tokens(), layers=2),
        law=uses_every_state,
    ),
    state(
        "segment-ids-not-read",
        "devjwsong/gpt2-dialogue-generation-pytorch#11",
        "token ids take the place of the segment ids",
        SegmentsFromTokens,
        kind="input unused",
        task="classify",
        batch=segmented,
        law=uses("token_type_ids"),
    ),
    state(
        "attention-mask-not-read",
        "facebookresearch/SymbolicMathematics#19",
        "the padding mask is an argument that the attention does not read",
        IgnoredMask,
        kind="input unused",
        task="classify",
        batch=partial(padded_labelled, name="input_ids", mask=True),
        law=uses("attention_mask"),
    ),
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
