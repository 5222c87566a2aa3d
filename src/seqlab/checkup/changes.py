"""Changes of a batch. Legend: B sequences, T steps, E features."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from seqlab.checkup.subject import Traits
from seqlab.data.batch import Batch
from seqlab.data.sequences import Padded


def with_inputs(batch: Batch, tokens: Tensor, lengths: Tensor | None = None) -> Batch:
    """The same batch with other inputs."""
    return replace(batch, inputs=Padded(tokens, batch.inputs.lengths if lengths is None else lengths))


def others(batch: Batch, traits: Traits, shift: int = 1) -> Tensor:
    """At every position another token, never the padding id, or other features; `shift` chooses which."""
    return other_inputs(batch.inputs, traits, shift)


def other_inputs(inputs: Padded, traits: Traits, shift: int = 1) -> Tensor:
    """As `others`, for any padded sequences."""
    tokens = inputs.tokens
    if tokens.is_floating_point():
        return (
            1.7 * tokens.roll(shift, dims=0)
            + torch.linspace(-1, 1, tokens.shape[1]).reshape(1, -1, *[1] * (tokens.dim() - 2)).to(tokens)
            * shift
        )
    known = tokens[inputs.mask].unique()
    if traits.pad is not None and len(known) > 2:
        known = known[known != traits.pad]
    indices = torch.searchsorted(known, tokens.contiguous()).clamp(max=len(known) - 1)
    return known[(indices + shift) % len(known)]


def select_rows(batch: Batch, rows: Tensor) -> Batch:
    """The named rows with the padding that they have in the whole batch."""
    targets = batch.targets
    picked = (
        Padded(targets.tokens[rows], targets.lengths[rows]) if isinstance(targets, Padded) else targets[rows]
    )
    source = batch.source
    taken = None if source is None else Padded(source.tokens[rows], source.lengths[rows])
    return Batch(Padded(batch.inputs.tokens[rows], batch.inputs.lengths[rows]), picked, taken)


def padded_to(inputs: Padded, lengths: Tensor, more: int, fill: Tensor | int) -> Padded:
    """Sequences cut to lengths and followed by `fill`, with `more` further columns of it."""
    tokens = inputs.tokens
    extra = (0, 0) * (tokens.dim() - 2) + (0, more)
    tokens = functional.pad(tokens, extra)
    real = Padded(tokens, lengths).mask
    real = real.reshape(*real.shape, *[1] * (tokens.dim() - 2))
    return Padded(torch.where(real, tokens, torch.as_tensor(fill).to(tokens)), lengths)
