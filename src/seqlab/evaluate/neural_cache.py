"""A neural cache; its equations are in `CacheConfig`.

Legend: N targets, K keys: remembered positions and those of the targets, H features, V outputs.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor


class NeuralCache:
    """The last positions of one text: their features, and the token that followed each.

    Args:
        size: positions that are remembered.
        theta: flatness.
    """

    def __init__(self, size: int, theta: float):
        self._size, self._theta = size, theta
        self._features: Tensor | None = None
        self._followed = torch.zeros(0, dtype=torch.int64)

    def read(self, features: Float[Tensor, "N H"], tokens: Int[Tensor, " N"]) -> CacheReading:
        """What the cache says of the next targets, each before it is stored; then store all of them.

        Args:
            features: of each position.
            tokens: the token that follows it.
        """
        before = features[:0] if self._features is None else self._features
        keys = torch.cat([before, features])
        followed = torch.cat([self._followed.to(tokens.device), tokens])
        scores = self._theta * (features @ keys.T).double()
        # Query n is key len(before) + n; it sees the `size` keys before it.
        own = len(before) + torch.arange(len(features), device=features.device).unsqueeze(1)
        index = torch.arange(len(keys), device=features.device)
        seen = (index < own) & (index >= own - self._size)
        shares = scores.masked_fill(~seen, -math.inf).log_softmax(dim=1)
        empty = ~seen.any(dim=1)
        self._features, self._followed = keys[-self._size :].clone(), followed[-self._size :].clone()
        return CacheReading(shares.masked_fill(empty.unsqueeze(1), -math.inf), followed, empty)


class CacheReading:
    """The logarithm of each key's share, (N, K), the token after each key, and which targets have no key."""

    def __init__(self, shares: Float[Tensor, "N K"], followed: Int[Tensor, " K"], empty: Tensor):
        self._shares, self._followed, self.empty = shares, followed, empty

    def nats(self, targets: Int[Tensor, " N"]) -> Float[Tensor, " N"]:
        """-ln p_cache of the targets: infinite for those that are not remembered."""
        same = self._followed == targets.unsqueeze(1)
        return -self._shares.masked_fill(~same, -math.inf).logsumexp(dim=1)

    def probabilities(self, outputs: int) -> Float[Tensor, "N V"]:
        """p_cache of every token; 0 for all of them where nothing was remembered."""
        found = self._shares.new_zeros(len(self._shares), outputs)
        return found.index_add_(1, self._followed, self._shares.exp())


def mixed_nats(
    nats: Float[Tensor, " N"], cached: Float[Tensor, " N"], empty: Tensor, weight: float
) -> Float[Tensor, " N"]:
    """-ln of the mixture of model and cache; that of the model where nothing was remembered."""
    model = nats.double()
    both = torch.logaddexp(math.log1p(-weight) - model, _log(weight) - cached)
    return torch.where(empty, model, -both)


def mixed_outputs(logits: Float[Tensor, "N V"], reading: CacheReading, weight: float) -> Float[Tensor, "N V"]:
    """The logarithm of the mixture's probability of every output, float64."""
    model = logits.double().log_softmax(dim=1)
    cached = reading.probabilities(logits.shape[1]).log()
    both = torch.logaddexp(math.log1p(-weight) + model, _log(weight) + cached)
    return torch.where(reading.empty.unsqueeze(1), model, both)


def _log(weight: float) -> float:
    return math.log(weight) if weight else -math.inf
