"""Healthy attention models and losses that look suspicious. Legend: B rows, T steps, H features, V ids."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from cases.case import HEALTHY, Batch, Case
from cases.parts import (
    CLASSES,
    FEATURES,
    LENGTHS,
    SIZE,
    VOCABULARY,
    Output,
    attend,
    causal,
    labelled,
    log_probability_loss,
    next_tokens,
    numbers,
    padded_labelled,
    padded_tokens,
    token_loss,
    translated,
)
from torch import Tensor, nn

MASKED = partial(padded_labelled, name="input_ids", mask=True)


class Block(nn.Module):
    """Causal attention with a residual connection; subclasses change a part."""

    def __init__(self):
        super().__init__()
        self.embedding, self.positions = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(64, SIZE)
        self.queries, self.keys = nn.Linear(SIZE, SIZE), nn.Linear(SIZE, SIZE)
        self.values, self.head = nn.Linear(SIZE, SIZE), nn.Linear(SIZE, VOCABULARY)

    def embed(self, tokens: Tensor) -> Tensor:
        return self.embedding(tokens) + self.positions(torch.arange(tokens.shape[1]))

    def allowed(self, steps: int) -> Tensor:
        return causal(steps)

    def mix(self, x: Tensor) -> Tensor:
        return attend(self.queries(x), self.keys(x), self.values(x), self.allowed(x.shape[1]))

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        return self.head(x + self.mix(x))


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
    """A cache of keys and values, and positions that go on from it."""

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


class LeftPadded(Block):
    """Positions of a left-padded prompt are counted by its mask."""

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Output:  # type: ignore[override]
        positions = (attention_mask.cumsum(dim=1) - 1).clamp(min=0)
        x = self.embedding(input_ids) + self.positions(positions)
        allowed = causal(input_ids.shape[1]) & attention_mask.bool().unsqueeze(1)
        mixed = attend(self.queries(x), self.keys(x), self.values(x), allowed)
        return Output(logits=self.head(x + mixed))


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


def healthy(name: str, source: str, note: str, module: type[nn.Module], **more: object) -> Case:
    settings = {"task": "language-model", "batch": next_tokens} | more
    return Case(name=name, kind=HEALTHY, source=source, note=note, module=module, **settings)  # type: ignore[arg-type]


def own_labels() -> Batch:
    tokens = next_tokens(4, 8)["tokens"]
    return {"input_ids": tokens, "labels": tokens.clone()}


def segmented() -> Batch:
    return labelled(name="input_ids") | {"token_type_ids": torch.tensor([[0, 0, 0, 1, 1, 1]]).repeat(4, 1)}


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
        "left-padded-prompts",
        "ndif-team/nnsight#673",
        "padding is in front, and positions are counted by the mask",
        LeftPadded,
        batch=partial(padded_tokens, name="input_ids", mask=True, left=True),
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
