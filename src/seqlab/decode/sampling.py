"""How one token is drawn from logits. Legend: B sequences, V tokens."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from seqlab.schema.errors import UserError


@dataclass(frozen=True, kw_only=True)
class SamplingOptions:
    """Settings of a draw, applied in this order: temperature, top-k, top-p.

    temperature: logits are divided by it; 1 draws from the model's own distribution, 0 takes the
        likeliest token.
    top_k: number of the likeliest tokens that can be drawn; None allows all.
    top_p: only the smallest set of the likeliest tokens that holds this share of the probability
        can be drawn (Holtzman et al. 2020, nucleus sampling); None allows all.

    Among equally likely tokens the smaller id comes first.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise UserError(
                "'temperature' must be a finite number of at least 0 (0 takes the likeliest token). "
                f"Got {self.temperature!r}. Nearest: {1.0 if math.isnan(self.temperature) else 0.0}."
            )
        if self.top_k is not None and self.top_k < 1:
            raise UserError(f"'top_k' must be at least 1 token. Got {self.top_k!r}. Nearest: 1.")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise UserError(
                f"'top_p' must be a share above 0 and at most 1. Got {self.top_p!r}. Nearest: 1.0."
            )


def distribution(logits: Float[Tensor, "B V"], options: SamplingOptions) -> Float[Tensor, "B V"]:
    """The probabilities that `sample_tokens` draws from, in float64."""
    scores = logits.double()
    if options.temperature == 0:
        return functional.one_hot(scores.argmax(dim=-1), scores.shape[-1]).double()
    # The largest score is moved to 0 first, so that a tiny temperature overflows to -inf only.
    scores = (scores - scores.amax(dim=-1, keepdim=True)) / options.temperature
    if options.top_k is None and options.top_p is None:
        return scores.softmax(dim=-1)
    ranked, order = scores.sort(dim=-1, descending=True, stable=True)
    kept = _likeliest(ranked, options)
    return torch.zeros_like(kept).scatter(-1, order, kept)


def sample_tokens(
    logits: Float[Tensor, "B V"], options: SamplingOptions, uniform: Float[Tensor, " B"]
) -> Int[Tensor, " B"]:
    """One token per sequence: the inverse of its cumulative distribution at its random number.

    Args:
        logits: -inf excludes a token.
        options: how to draw.
        uniform: random numbers in [0, 1), float64. The token of a sequence depends on its own logits and its
            own random number alone, so the other sequences may end, leave or change.
    """
    if options.temperature == 0:
        return logits.argmax(dim=-1)
    mass = distribution(logits, options).cumsum(dim=-1)
    # Strictly greater than: a token of probability 0 adds no mass and can never be the first one.
    return torch.searchsorted(mass, (uniform * mass[:, -1]).unsqueeze(-1), right=True).squeeze(-1)


def _likeliest(ranked: Float[Tensor, "B V"], options: SamplingOptions) -> Float[Tensor, "B V"]:
    """Probabilities of the scores that stay, which come in falling order."""
    ranks = torch.arange(ranked.shape[-1], device=ranked.device)
    if options.top_k is not None:
        ranked = ranked.masked_fill(ranks >= options.top_k, -math.inf)
    probabilities = ranked.softmax(dim=-1)
    if options.top_p is None or options.top_p == 1:
        return probabilities
    mass_before = functional.pad(probabilities.cumsum(dim=-1)[:, :-1], (1, 0))
    kept = probabilities.masked_fill(mass_before >= options.top_p, 0.0)
    return kept / kept.sum(dim=-1, keepdim=True)
