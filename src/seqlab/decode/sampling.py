"""How one token is picked from logits. Legend: B rows, V tokens."""

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
    top_k: only so many of the likeliest tokens can be drawn; None allows all.
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


def distribution(logits: Float[Tensor, "B V"], choice: SamplingOptions) -> Float[Tensor, "B V"]:
    """The probabilities that `sample_tokens` draws from, in float64."""
    scores = logits.double()
    if choice.temperature == 0:
        return functional.one_hot(scores.argmax(dim=-1), scores.shape[-1]).double()
    # The largest score is moved to 0 first, so that a tiny temperature overflows to -inf only.
    scores = (scores - scores.amax(dim=-1, keepdim=True)) / choice.temperature
    if choice.top_k is None and choice.top_p is None:
        return scores.softmax(dim=-1)
    ranked, order = scores.sort(dim=-1, descending=True, stable=True)
    kept = _likeliest(ranked, choice)
    return torch.zeros_like(kept).scatter(-1, order, kept)


def sample_tokens(
    logits: Float[Tensor, "B V"], choice: SamplingOptions, probabilities: Float[Tensor, " B"]
) -> Int[Tensor, " B"]:
    """One token a row: the inverse of the cumulative distribution at each row's chance.

    Args:
        logits: -inf excludes a token.
        choice: how to draw.
        probabilities: uniform in [0, 1), float64. A row's token depends on its own logits and its own
            chance alone, so the other rows may end, leave or change.
    """
    if choice.temperature == 0:
        return logits.argmax(dim=-1)
    mass = distribution(logits, choice).cumsum(dim=-1)
    # Strictly greater than: a token of probability 0 adds no mass and can never be the first one.
    return torch.searchsorted(mass, (probabilities * mass[:, -1]).unsqueeze(-1), right=True).squeeze(-1)


def _likeliest(ranked: Float[Tensor, "B V"], choice: SamplingOptions) -> Float[Tensor, "B V"]:
    """Probabilities of the scores that stay, which come in falling order."""
    ranks = torch.arange(ranked.shape[-1], device=ranked.device)
    if choice.top_k is not None:
        ranked = ranked.masked_fill(ranks >= choice.top_k, -math.inf)
    probabilities = ranked.softmax(dim=-1)
    if choice.top_p is None or choice.top_p == 1:
        return probabilities
    mass_before = functional.pad(probabilities.cumsum(dim=-1)[:, :-1], (1, 0))
    kept = probabilities.masked_fill(mass_before >= choice.top_p, 0.0)
    return kept / kept.sum(dim=-1, keepdim=True)
