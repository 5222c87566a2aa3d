"""Healthy convolutions and scans that look suspicious.

Legend: B rows, T steps, H features, V outputs.
"""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from cases.healthy_parts import healthy
from cases.parts import (
    CLASSES,
    FEATURES,
    SIZE,
    VOCABULARY,
    numbers,
    padded_labelled,
    padded_tokens,
    real,
)
from torch import Tensor, nn


class BatchNormConvolution(nn.Module):
    """Batch normalisation with running statistics."""

    def __init__(self):
        super().__init__()
        self.convolution, self.norm = nn.Conv1d(FEATURES, SIZE, 3, padding=1), nn.BatchNorm1d(SIZE)
        self.head = nn.Linear(SIZE, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.convolution(x.transpose(1, 2))).relu().amax(dim=2))


class CausalStack(nn.Module):
    """Dilated convolutions padded on the left."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.layers = nn.ModuleList(nn.Conv1d(SIZE, SIZE, 2, dilation=d) for d in (1, 2, 4))
        self.head = nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens).transpose(1, 2)
        for layer, dilation in zip(self.layers, (1, 2, 4), strict=True):
            x = x + layer(F.pad(x, (dilation, 0))).tanh()
        return self.head(x.transpose(1, 2))


class Chomped(nn.Module):
    """Padding on both sides, and the right end cut off: causal."""

    def __init__(self):
        super().__init__()
        self.convolution, self.head = nn.Conv1d(FEATURES, SIZE, 3, padding=2), nn.Linear(SIZE, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.convolution(x.transpose(1, 2))[:, :, :-2].relu().transpose(1, 2))


class WindowState(nn.Module):
    """A causal convolution whose state is its last inputs."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.convolution, self.head = nn.Conv1d(SIZE, SIZE, 4), nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x = self.embedding(tokens).transpose(1, 2)
        past = x.new_zeros(1, len(x), 3, SIZE) if state is None else state
        x = torch.cat([past[0].transpose(1, 2), x], dim=2)
        return self.head(self.convolution(x).relu().transpose(1, 2)), x[:, :, -3:].transpose(1, 2).unsqueeze(
            0
        )


class DiagonalScan(nn.Module):
    """A state space by a loop, with a state that stops at each sequence's end."""

    def __init__(self):
        super().__init__()
        self.embedding, self.head = nn.Embedding(VOCABULARY, SIZE), nn.Linear(SIZE, VOCABULARY)
        self.decay = nn.Parameter(torch.rand(SIZE))

    def forward(
        self, tokens: Tensor, lengths: Tensor | None = None, state: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        x, outputs = self.embedding(tokens), []
        kept = x.new_zeros(1, len(x), SIZE) if state is None else state
        for index, step in enumerate(x.unbind(dim=1)):
            new = self.decay.sigmoid() * kept + step
            kept = new if lengths is None else torch.where((index < lengths)[None, :, None], new, kept)
            outputs.append(new[0])
        return self.head(torch.stack(outputs, dim=1)), kept


class SelectiveScan(nn.Module):
    """An input-dependent decay, by cumulative sums of its logarithm instead of a loop."""

    def __init__(self):
        super().__init__()
        self.embedding, self.step = nn.Embedding(VOCABULARY, SIZE), nn.Linear(SIZE, SIZE)
        self.head = nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        decay = -F.softplus(self.step(x)).cumsum(dim=1)
        weights = (decay.unsqueeze(2) - decay.unsqueeze(1)).exp()
        mask = torch.ones(tokens.shape[1], tokens.shape[1], dtype=x.dtype).tril()
        return self.head(torch.einsum("bijh,ij,bjh->bih", weights, mask, x))


class PaddedSpectrum(nn.Module):
    """A long convolution by the FFT of twice the length."""

    def __init__(self):
        super().__init__()
        self.embedding, self.kernel = nn.Embedding(VOCABULARY, SIZE), nn.Parameter(torch.randn(6, SIZE) * 0.5)
        self.head = nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        x, T = self.embedding(tokens), tokens.shape[1]
        n = T + len(self.kernel)
        spectrum = torch.fft.rfft(x, n=n, dim=1) * torch.fft.rfft(self.kernel, n=n, dim=0)
        return self.head(torch.fft.irfft(spectrum, n=n, dim=1)[:, :T])


class FrameNorm(nn.Module):
    """Normalisation of each frame over its own features."""

    def __init__(self):
        super().__init__()
        self.gru, self.norm = nn.GRU(FEATURES, SIZE, batch_first=True), nn.LayerNorm(SIZE)
        self.head = nn.Linear(SIZE, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.gru(x)[0]))


class MaskedMaximum(nn.Module):
    """A maximum over real steps, by -inf at the others."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.convolution, self.head = nn.Conv1d(SIZE, SIZE, 3, padding=1), nn.Linear(SIZE, CLASSES)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        keep = real(lengths.tolist(), tokens.shape[1]).unsqueeze(1)
        x = self.embedding(tokens).transpose(1, 2) * keep
        return self.head(self.convolution(x).masked_fill(~keep, -torch.inf).amax(dim=2))


CASES = [
    healthy(
        "batch-norm-in-evaluation",
        "Jongchan/attention-module#5",
        "batch statistics mix rows in training, running ones do not in evaluation",
        BatchNormConvolution,
        task="classify",
        batch=numbers,
        exempt=("evaluation_equals_training",),
    ),
    healthy("dilated-causal-stack", "locuslab/TCN#8", "convolutions, padded on the left alone", CausalStack),
    healthy(
        "padded-both-sides-and-chomped",
        "locuslab/TCN#21",
        "symmetric padding, whose right end is cut off",
        Chomped,
        batch=partial(numbers, per_step=True),
        exempt=("remembers",),
    ),
    healthy(
        "convolution-with-window-state",
        "state-spaces/mamba#57",
        "a causal convolution includes the present input: nothing is off by one",
        WindowState,
        exempt=("remembers",),
    ),
    healthy(
        "diagonal-scan",
        "johnma2006/mamba-minimal#11",
        "a recurrence over the padded batch whose state stops at each end",
        DiagonalScan,
        batch=padded_tokens,
    ),
    healthy(
        "selective-scan-by-cumulative-sums",
        "syncdoth/RetNet#7",
        "a recurrence without a loop: all pairs of steps, masked",
        SelectiveScan,
    ),
    healthy(
        "fft-convolution-with-room",
        "HazyResearch/safari#4",
        "a circular convolution of twice the length is a linear one",
        PaddedSpectrum,
    ),
    healthy(
        "normalised-frame-by-frame",
        "anicolson/DeepXi#18",
        "layer normalisation of each frame over its features is causal",
        FrameNorm,
        batch=partial(numbers, per_step=True),
    ),
    healthy(
        "masked-maximum",
        "pytorch/translate#74",
        "a maximum over time with -inf at the padding",
        MaskedMaximum,
        task="classify",
        batch=padded_labelled,
    ),
]
