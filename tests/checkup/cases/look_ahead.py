"""Outputs that depend on later steps. Legend: B sequences, T steps, H features, V outputs."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from cases.case import Case
from cases.laws import no_look_ahead, no_look_ahead_in_training
from cases.parts import (
    CLASSES,
    FEATURES,
    SIZE,
    VOCABULARY,
    attend,
    causal,
    next_tokens,
    numbers,
    padded_tokens,
    time_first_tokens,
    translated,
)
from torch import Tensor, nn


class Attention(nn.Module):
    """One layer of attention with a residual connection; subclasses choose the mask."""

    def __init__(self, vocabulary: int = VOCABULARY):
        super().__init__()
        self.embedding, self.positions = nn.Embedding(vocabulary, SIZE), nn.Embedding(64, SIZE)
        self.queries, self.keys = nn.Linear(SIZE, SIZE), nn.Linear(SIZE, SIZE)
        self.values, self.head = nn.Linear(SIZE, SIZE), nn.Linear(SIZE, vocabulary)

    def allowed(self, steps: int) -> Tensor | None:
        return causal(steps)

    def embed(self, tokens: Tensor) -> Tensor:
        return self.embedding(tokens) + self.positions(torch.arange(tokens.shape[1]))

    def mix(self, x: Tensor) -> Tensor:
        return attend(self.queries(x), self.keys(x), self.values(x), self.allowed(x.shape[1]))

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        return self.head(x + self.mix(x))


class NoMask(Attention):
    def allowed(self, steps: int) -> None:
        return None


class InvertedMask(Attention):
    """A mask of the convention "True is forbidden" for a function that takes "True is allowed"."""

    def mix(self, x: Tensor) -> Tensor:
        forbidden = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
        forbidden[-1, 0] = True
        return F.scaled_dot_product_attention(self.queries(x), self.keys(x), self.values(x), forbidden)


class OffByOne(Attention):
    """The first forbidden key is the second after the query."""

    def allowed(self, steps: int) -> Tensor:
        return torch.ones(steps, steps, dtype=torch.bool).tril(1)


class DynamicMask(Attention):
    """A learned bias of the scores replaces the causal mask."""

    def __init__(self):
        super().__init__()
        self.bias = nn.Linear(SIZE, 1)

    def mix(self, x: Tensor) -> Tensor:
        bias = F.softplus(self.bias(x)).transpose(1, 2).expand(-1, x.shape[1], -1)
        q, k, v = self.queries(x), self.keys(x), self.values(x)
        return F.scaled_dot_product_attention(q, k, v, attn_mask=bias)


class MaskAfterSoftmax(Attention):
    """The weights of later keys are zeroed, but they took part in the softmax."""

    def mix(self, x: Tensor) -> Tensor:
        weights = (self.queries(x) @ self.keys(x).transpose(1, 2) / SIZE**0.5).softmax(dim=-1)
        return (weights * causal(x.shape[1])) @ self.values(x)


class MaskInEvaluationOnly(Attention):
    """The path that training takes has no mask."""

    def mix(self, x: Tensor) -> Tensor:
        allowed = None if self.training else causal(x.shape[1])
        return attend(self.queries(x), self.keys(x), self.values(x), allowed)


class MaskInTrainingOnly(Attention):
    """The mask is made where the cache is set up, which evaluation does not do."""

    def mix(self, x: Tensor) -> Tensor:
        allowed = causal(x.shape[1]) if self.training else None
        return attend(self.queries(x), self.keys(x), self.values(x), allowed)


class BlockSummary(Attention):
    """The mean of each block of 4 steps is given to all its steps."""

    def mix(self, x: Tensor) -> Tensor:
        missing = -x.shape[1] % 4
        blocks = F.pad(x, (0, 0, 0, missing)).unflatten(1, (-1, 4)).mean(dim=2)
        return self.values(blocks.repeat_interleave(4, dim=1)[:, : x.shape[1]])


class SegmentMemory(Attention):
    """A memory of the segment is written before it is read."""

    def mix(self, x: Tensor) -> Tensor:
        outputs = []
        memory = torch.zeros(len(x), SIZE, SIZE, dtype=x.dtype)
        for segment in x.split(3, dim=1):
            keys = F.elu(self.keys(segment)) + 1
            memory = memory + keys.transpose(1, 2) @ self.values(segment)
            outputs.append((F.elu(self.queries(segment)) + 1) @ memory)
        return torch.cat(outputs, dim=1)


class MeanRouter(Attention):
    """Experts are chosen by the mean of the sequence."""

    def __init__(self):
        super().__init__()
        self.router = nn.Linear(SIZE, 2)
        self.experts = nn.ModuleList(nn.Linear(SIZE, SIZE) for _ in range(2))

    def mix(self, x: Tensor) -> Tensor:
        weights = self.router(x.mean(dim=1, keepdim=True)).softmax(dim=-1)
        return sum(weights[..., [i]] * expert(x) for i, expert in enumerate(self.experts)) + super().mix(x)


class SpectralFilter(nn.Module):
    """A long convolution by the FFT, without room for the part that wraps around."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.kernel = nn.Parameter(torch.randn(64, SIZE) * 0.5)
        self.head = nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        x, steps = self.embedding(tokens), tokens.shape[1]
        spectrum = torch.fft.rfft(x, dim=1) * torch.fft.rfft(self.kernel[:steps], dim=0)
        return self.head(torch.fft.irfft(spectrum, n=steps, dim=1))


class SamePadding(nn.Module):
    """Forecast of the next frame by a convolution with equal padding on both sides."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv1d(FEATURES, SIZE, 3, padding=1)
        self.head = nn.Linear(SIZE, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.convolution(x.transpose(1, 2)).relu().transpose(1, 2))


class HalfChomp(nn.Module):
    """A dilated convolution padded on both sides, whose output is shifted by half of what is needed."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.convolution = nn.Conv1d(SIZE, SIZE, 3, padding=4, dilation=2)
        self.head = nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        y = self.convolution(self.embedding(tokens).transpose(1, 2))
        return self.head(y[:, :, 2 : 2 + tokens.shape[1]].relu().transpose(1, 2))


class MirroredStart(nn.Module):
    """A causal convolution whose first steps read the steps after them, mirrored."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.convolution, self.head = nn.Conv1d(SIZE, SIZE, 3), nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        x = F.pad(self.embedding(tokens).transpose(1, 2), (2, 0), mode="reflect")
        return self.head(self.convolution(x).relu().transpose(1, 2))


class NormOverTime(nn.Module):
    """Group normalisation of (B, H, T) takes its statistics over all steps."""

    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(FEATURES, SIZE, batch_first=True)
        self.norm, self.head = nn.GroupNorm(1, SIZE), nn.Linear(SIZE, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.gru(x)[0].transpose(1, 2)).transpose(1, 2))


class BothDirections(nn.Module):
    """A bidirectional LSTM that predicts the next token, time first."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.lstm = nn.LSTM(SIZE, SIZE, bidirectional=True)
        self.head = nn.Linear(2 * SIZE, VOCABULARY)

    def forward(self, text: Tensor) -> Tensor:
        return self.head(self.lstm(self.embedding(text))[0])


class UnmaskedDecoder(nn.Module):
    """An encoder-decoder whose decoder attends to all of its input."""

    def __init__(self):
        super().__init__()
        self.source, self.target = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(VOCABULARY, SIZE)
        self.positions = nn.Parameter(torch.randn(64, SIZE))
        self.transformer = nn.Transformer(SIZE, 2, 1, 1, 16, dropout=0.0, batch_first=True)
        self.head = nn.Linear(SIZE, VOCABULARY)

    def forward(self, src: Tensor, tgt: Tensor) -> Tensor:
        source = self.source(src) + self.positions[: src.shape[1]]
        target = self.target(tgt) + self.positions[: tgt.shape[1]]
        return self.head(self.transformer(source, target))


class OnlyPaddingMask(nn.Module):
    """A Transformer language model that is given the padding mask, but no causal one."""

    def __init__(self):
        super().__init__()
        self.embedding, self.positions = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(64, SIZE)
        self.layer = nn.TransformerEncoderLayer(SIZE, 2, 16, dropout=0.1, batch_first=True)
        self.head = nn.Linear(SIZE, VOCABULARY)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Tensor]:
        x = self.embedding(input_ids) + self.positions(torch.arange(input_ids.shape[1]))
        x = self.layer(x, src_key_padding_mask=attention_mask == 0)
        return {"logits": self.head(x)}


class BackwardScan(nn.Module):
    """A state space's scan in blocks: the state of a whole block is added to all its steps."""

    def __init__(self):
        super().__init__()
        self.embedding, self.head = nn.Embedding(VOCABULARY, SIZE), nn.Linear(SIZE, VOCABULARY)
        self.decay = nn.Parameter(torch.zeros(SIZE))

    def forward(self, tokens: Tensor) -> Tensor:
        x, decay, outputs = self.embedding(tokens), self.decay.sigmoid(), []
        state = torch.zeros_like(x[:, 0])
        for chunk in x.split(2, dim=1):
            for step in chunk.unbind(dim=1):
                state = decay * state + step
            outputs.append(chunk + state.unsqueeze(1))
        return self.head(torch.cat(outputs, dim=1))


def leak(name: str, source: str, note: str, module: type[nn.Module], **more: object) -> Case:
    """A language model with a leak."""
    settings = {
        "kind": "look-ahead",
        "task": "language-model",
        "batch": partial(next_tokens, 4, 8),
        "law": no_look_ahead,
    }
    return Case(name=name, source=source, note=note, module=module, **(settings | more))  # type: ignore[arg-type]


CASES = [
    leak("transformer-without-mask", "rainmaker22/SMART#42", "no causal mask at all", NoMask),
    leak(
        "sdpa-mask-inverted",
        "rasbt/LLMs-from-scratch#1062",
        "a boolean mask with the opposite meaning: only later tokens are read",
        InvertedMask,
    ),
    leak(
        "causal-mask-off-by-one",
        "RVC-Boss/GPT-SoVITS#965",
        "the diagonal of the mask is one too high: each step sees the next one",
        OffByOne,
    ),
    leak(
        "learned-bias-replaces-mask",
        "huggingface/transformers#48748",
        "where a mask of its own is passed, the attention function adds no causal one",
        DynamicMask,
    ),
    leak(
        "mask-after-softmax",
        "lucidrains/memory-compressed-attention#2",
        "later scores still change the normaliser of the softmax",
        MaskAfterSoftmax,
    ),
    leak(
        "mask-in-evaluation-only",
        "keras-team/keras#23038",
        "the path without the fused kernel, which training takes, drops the mask",
        MaskInEvaluationOnly,
        law=no_look_ahead_in_training,
    ),
    leak(
        "mask-in-training-only",
        "meta-pytorch/torchtune#959",
        "the mask is made with the cache; without it every token is read",
        MaskInTrainingOnly,
    ),
    leak(
        "block-summaries",
        "karpathy/nanochat#844",
        "the mean of a block is broadcast back to its earlier steps",
        BlockSummary,
    ),
    leak(
        "segment-memory-written-first",
        "dingo-actual/infini-transformer#4",
        "tokens read a memory that already holds the later ones of their segment",
        SegmentMemory,
    ),
    leak(
        "routing-by-sequence-mean",
        "Shwai-He/MEO#2",
        "the weights of the experts come from the mean over all steps",
        MeanRouter,
    ),
    leak(
        "fft-convolution-wraps-around",
        "HazyResearch/safari#4",
        "a circular convolution where the linear one needs twice the length",
        SpectralFilter,
    ),
    leak(
        "convolution-same-padding",
        "maxim5/time-series-machine-learning#12",
        "symmetric padding lets a forecast read the next frame",
        SamePadding,
        batch=partial(numbers, per_step=True),
    ),
    leak(
        "dilated-convolution-chomped-short",
        "locuslab/TCN#12",
        "the output is shifted by half of the kernel, so it is a centred one",
        HalfChomp,
    ),
    leak(
        "first-steps-mirrored",
        "lucidrains/magvit2-pytorch#27",
        "only the first steps leak: their left context is filled from the right",
        MirroredStart,
    ),
    leak(
        "normalisation-over-time",
        "espnet/espnet#5900",
        "a model called causal normalises with statistics over all frames",
        NormOverTime,
        batch=partial(numbers, per_step=True),
    ),
    leak(
        "bidirectional-language-model",
        "dongjun-Lee/birnn-language-model-tf#2",
        "the backward direction has read the token that is predicted",
        BothDirections,
        batch=lambda: {
            {"tokens": "text"}.get(name, name): value for name, value in time_first_tokens().items()
        },
        time_first=True,
    ),
    Case(
        name="decoder-attends-to-its-future",
        kind="look-ahead",
        source="Kyubyong/transformer#94",
        note="the decoder copies its input: nothing keeps output k from depending on input k + 1",
        module=UnmaskedDecoder,
        task="translate",
        batch=translated,
        law=no_look_ahead,
    ),
    leak(
        "padding-mask-only",
        "keras-team/keras#21284",
        "with a padding mask alone the option for a causal one has no effect",
        OnlyPaddingMask,
        batch=partial(padded_tokens, name="input_ids", mask=True),
    ),
    leak(
        "chunked-scan-with-whole-chunk-state",
        "karpathy/nanochat#844",
        "the recurrence is causal between chunks, but not within one",
        BackwardScan,
    ),
]
