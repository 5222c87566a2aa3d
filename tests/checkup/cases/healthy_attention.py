"""Healthy attention that looks suspicious. Legend: B rows, T steps, H features, V outputs."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from cases.healthy_block import Block, healthy
from cases.parts import (
    SIZE,
    VOCABULARY,
    Output,
    attend,
    causal,
    padded_tokens,
)
from torch import Tensor, nn


class TiedHead(Block):
    """The output layer is the embedding."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(SIZE, VOCABULARY, bias=False)
        self.head.weight = self.embedding.weight
        nn.init.normal_(self.embedding.weight, std=0.1)


class SharedLayers(Block):
    """One layer, applied three times."""

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        for _ in range(3):
            x = x + self.mix(x)
        return self.head(x)


class RelativeBias(nn.Module):
    """A learned bias for each distance, no positions in the input."""

    def __init__(self):
        super().__init__()
        self.embedding, self.bias = nn.Embedding(VOCABULARY, SIZE), nn.Parameter(torch.randn(5))
        self.keys, self.head = nn.Linear(SIZE, SIZE), nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        x, steps = self.embedding(tokens), torch.arange(tokens.shape[1])
        distance = (steps.unsqueeze(1) - steps).clamp(0, 4)
        scores = x @ self.keys(x).transpose(1, 2) + self.bias[distance]
        weights = scores.masked_fill(~causal(len(steps)), -torch.inf).softmax(dim=-1)
        return self.head(x + weights @ x)


class LinearBias(nn.Module):
    """Scores fall with the distance at a fixed slope."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.keys, self.head = nn.Linear(SIZE, SIZE), nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        x, steps = self.embedding(tokens), torch.arange(tokens.shape[1])
        scores = x @ self.keys(x).transpose(1, 2) - 0.5 * (steps.unsqueeze(1) - steps).abs()
        return self.head(x + scores.masked_fill(~causal(len(steps)), -torch.inf).softmax(dim=-1) @ x)


class Rotary(Block):
    """Queries and keys are rotated by their position; no positions in the input."""

    def __init__(self):
        super().__init__()
        del self.positions

    def embed(self, tokens: Tensor) -> Tensor:
        return self.embedding(tokens)

    def mix(self, x: Tensor) -> Tensor:
        angle = torch.arange(x.shape[1], dtype=x.dtype).unsqueeze(1) / 10 ** torch.arange(4, dtype=x.dtype)

        def rotated(y: Tensor) -> Tensor:
            a, b = y.chunk(2, dim=2)
            return torch.cat([a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()], dim=2)

        return attend(
            rotated(self.queries(x)), rotated(self.keys(x)), self.values(x), self.allowed(x.shape[1])
        )


class SlidingWindow(Block):
    """Only the last four steps are attended to; older ones never count."""

    def allowed(self, steps: int) -> Tensor:
        return causal(steps) & ~causal(steps).tril(-4)


class LinearAttention(Block):
    """Causal by a cumulative sum: there is no mask."""

    def mix(self, x: Tensor) -> Tensor:
        q, k = F.elu(self.queries(x)) + 1, F.elu(self.keys(x)) + 1
        state = torch.einsum("bth,btv->bthv", k, self.values(x)).cumsum(dim=1)
        return torch.einsum("bth,bthv->btv", q, state) / (q * k.cumsum(dim=1)).sum(dim=2, keepdim=True)


class TwoLayersWithoutPositions(nn.Module):
    """The causal mask tells two layers the order, without any positions."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(SIZE, 2, 16, dropout=0.0, batch_first=True) for _ in range(2)
        )
        self.head = nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        mask = torch.full((tokens.shape[1],) * 2, -torch.inf, dtype=x.dtype).triu(1)
        for layer in self.layers:
            x = layer(x, src_mask=mask)
        return self.head(x)


class ZeroHead(Block):
    """The output layer starts at zero: every prediction is uniform, and the rest has no gradient yet."""

    def __init__(self):
        super().__init__()
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)


class ZeroGate(Block):
    """The residual branch starts with the weight zero: the model is the identity at first."""

    def __init__(self):
        super().__init__()
        self.gate = nn.Parameter(torch.zeros(()))

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        return self.head(x + self.gate * self.mix(x))


class LayerDrop(Block):
    """Each of three layers is left out at random, in training alone."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(SIZE, SIZE) for _ in range(3))

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        x = x + self.mix(x)
        for layer in self.layers:
            if not self.training or torch.rand(()) > 0.3:
                x = x + layer(x).tanh()
        return self.head(x)


class Experts(Block):
    """The best two of four experts for each token, none of which is ever full."""

    def __init__(self):
        super().__init__()
        self.router = nn.Linear(SIZE, 4)
        self.experts = nn.ModuleList(nn.Linear(SIZE, SIZE) for _ in range(4))

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        x = x + self.mix(x)
        best, chosen = self.router(x).topk(2, dim=-1)
        weights = torch.zeros(*x.shape[:2], 4, dtype=x.dtype).scatter(2, chosen, best.softmax(dim=-1))
        return self.head(x + sum(weights[..., [i]] * f(x) for i, f in enumerate(self.experts)))


class GroupedHeads(Block):
    """Heads by a view and a transpose; two query heads share one of keys."""

    def __init__(self):
        super().__init__()
        self.keys, self.values = nn.Linear(SIZE, SIZE // 2), nn.Linear(SIZE, SIZE // 2)

    def mix(self, x: Tensor) -> Tensor:
        B, T, H = x.shape
        q = self.queries(x).view(B, T, 2, H // 2).transpose(1, 2)
        k, v = self.keys(x).unsqueeze(1), self.values(x).unsqueeze(1)
        return attend(q, k, v, causal(T)).transpose(1, 2).reshape(B, T, H)


class Cached(nn.Module):
    """A cache of keys and values, and positions that continue from it."""

    def __init__(self):
        super().__init__()
        self.embedding, self.positions = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(64, SIZE)
        self.queries, self.both = nn.Linear(SIZE, SIZE), nn.Linear(SIZE, 2 * SIZE)
        self.head = nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor, cache: Tensor | None = None) -> tuple[Tensor, Tensor]:
        past, steps = 0 if cache is None else cache.shape[2], tokens.shape[1]
        x = self.embedding(tokens) + self.positions(torch.arange(past, past + steps))
        new = self.both(x).unsqueeze(0)
        kept = new if cache is None else torch.cat([cache, new], dim=2)
        keys, values = kept[0].chunk(2, dim=2)
        return self.head(x + attend(self.queries(x), keys, values, causal(past + steps)[past:])), kept


class Retention(nn.Module):
    """Linear attention with decay, parallel over a piece and recurrent between pieces."""

    def __init__(self):
        super().__init__()
        self.embedding, self.head = nn.Embedding(VOCABULARY, SIZE), nn.Linear(SIZE, VOCABULARY)
        self.keys, self.values = nn.Linear(SIZE, SIZE), nn.Linear(SIZE, SIZE)

    def forward(self, tokens: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x, T = self.embedding(tokens), tokens.shape[1]
        steps = torch.arange(T, dtype=x.dtype)
        keys, values = self.keys(x), self.values(x)
        decay = (0.8 ** (steps.unsqueeze(1) - steps).clamp(min=0)).tril()
        past = x.new_zeros(len(x), SIZE, SIZE) if state is None else state[0]
        output = (x @ keys.transpose(1, 2) * decay) @ values + 0.8 ** (steps + 1).unsqueeze(1) * (x @ past)
        past = 0.8**T * past + (keys * 0.8 ** (T - 1 - steps).unsqueeze(1)).transpose(1, 2) @ values
        return self.head(output), past.unsqueeze(0)


class LeftPadded(Block):
    """Positions of a left-padded prompt are counted by its mask."""

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Output:  # type: ignore[override]
        positions = (attention_mask.cumsum(dim=1) - 1).clamp(min=0)
        x = self.embedding(input_ids) + self.positions(positions)
        allowed = causal(input_ids.shape[1]) & attention_mask.bool().unsqueeze(1)
        mixed = attend(self.queries(x), self.keys(x), self.values(x), allowed)
        return Output(logits=self.head(x + mixed))


class ScaledEmbedding(Block):
    """Embeddings times the root of their size, drawn small for it."""

    def __init__(self):
        super().__init__()
        nn.init.normal_(self.embedding.weight, std=SIZE**-0.5)

    def embed(self, tokens: Tensor) -> Tensor:
        return SIZE**0.5 * self.embedding(tokens) + self.positions(torch.arange(tokens.shape[1]))


class WithWeights(Block):
    """The attention's weights are returned beside the logits."""

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        x = self.embed(tokens)
        scores = self.queries(x) @ self.keys(x).transpose(1, 2)
        weights = scores.masked_fill(~causal(tokens.shape[1]), -torch.inf).softmax(dim=-1)
        return self.head(x + weights @ self.values(x)), weights


CASES = [
    healthy(
        "tied-head", "huggingface/transformers#42612", "the head and the embedding are one tensor", TiedHead
    ),
    healthy(
        "layers-shared",
        "lucidrains/x-transformers#322",
        "one layer for all depths: fewer parameters than layers",
        SharedLayers,
    ),
    healthy(
        "relative-bias",
        "hirofumi0810/neural_sp#52",
        "no positions in the input: the scores know the distance",
        RelativeBias,
    ),
    healthy(
        "linear-bias",
        "lucidrains/linear-attention-transformer#3",
        "no positions and no parameters for them: a slope in the scores",
        LinearBias,
    ),
    healthy("rotary", "turboderp-org/exllamav2#606", "positions rotate queries and keys", Rotary),
    healthy(
        "sliding-window",
        "huggingface/transformers#29777",
        "the last output does not depend on old tokens, by design",
        SlidingWindow,
        exempt=("remembers",),
    ),
    healthy(
        "linear-attention",
        "lucidrains/performer-pytorch#42",
        "no mask: a cumulative sum is causal",
        LinearAttention,
    ),
    healthy(
        "two-causal-layers-without-positions",
        "emadeldeen24/TS-TCC#37",
        "no positions: two causal layers know the order from the mask",
        TwoLayersWithoutPositions,
    ),
    healthy(
        "zero-head",
        "microsoft/mup#13",
        "a head of zeros: outputs are constant and nothing below has a gradient, until the first step",
        ZeroHead,
    ),
    healthy(
        "zero-gate",
        "majumderb/rezero#15",
        "the attention has the weight zero and no gradient, until the first step",
        ZeroGate,
    ),
    healthy(
        "layer-drop",
        "lucidrains/x-transformers#294",
        "layers are skipped at random in training",
        LayerDrop,
        exempt=("evaluation_equals_training",),
    ),
    healthy(
        "experts-without-drops",
        "huggingface/transformers#36730",
        "tokens go to few experts, and none is dropped",
        Experts,
        exempt=("parameters_used",),
    ),
    healthy(
        "grouped-heads",
        "zhouhaoyi/Informer2020#59",
        "a view splits the features, then axes are exchanged",
        GroupedHeads,
    ),
    healthy("key-value-cache", "lucidrains/x-transformers#322", "the state grows with the steps", Cached),
    healthy("retention", "syncdoth/RetNet#7", "two forms of one layer, that agree", Retention),
    healthy(
        "left-padded-prompts",
        "ndif-team/nnsight#673",
        "padding is in front, and positions are counted by the mask",
        LeftPadded,
        batch=partial(padded_tokens, name="input_ids", mask=True, left=True),
    ),
    healthy(
        "embedding-scaled",
        "fastai/fastai#2090",
        "a factor on the embedding that its initialisation allows for",
        ScaledEmbedding,
    ),
    healthy(
        "weights-returned",
        "PetrochukM/PyTorch-NLP#2",
        "the second output is no state",
        WithWeights,
    ),
]
