"""The settings of an adaptation that suit a model best, chosen on the validation split."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from seqlab.data.dataset import Dataset
from seqlab.evaluate.adaptation import Adaptation, AdaptationConfig, CacheConfig, DynamicConfig
from seqlab.evaluate.adaptive_scoring import AdaptiveScoring
from seqlab.evaluate.fitted import ScoringProgress, split_of
from seqlab.evaluate.mixture_weights import fit_shares
from seqlab.evaluate.neural_cache import NeuralCache
from seqlab.evaluate.prediction import Floats

SPLIT = "valid"
FACTOR = 2.0
"""Between one rate and the next that is tried."""
SIZES = (0.2, 1.0, 4.0)
"""Sizes of the cache that are tried, relative to the given one."""
THETAS = tuple(FACTOR**power for power in range(-5, 3))
"""Flatness that is tried, relative to the given one."""

MOST_WEIGHT = 0.9999
"""Largest share of the cache, which must be below 1; shares are rounded to four decimals."""


def tuned(
    scoring: AdaptiveScoring, config: AdaptationConfig, dataset: Dataset, progress: ScoringProgress | None
) -> Adaptation:
    """The best settings found, beginning with the given ones.

    Learning rate and then decay of dynamic evaluation are halved or doubled as long as the loss falls. Sizes
    and flatness of the cache are all scored in one pass with the weights as they then move; the share of each
    is the best one for it, exactly.

    Raises:
        UserError: there is no validation split.
    """
    search = _Search(scoring, dataset, progress)
    dynamic = config.dynamic
    if dynamic is not None:
        dynamic = search.climb(dynamic, "learning_rate")
        if dynamic.decay:
            dynamic = search.climb(dynamic, "decay", most=1.0)
    cache = None if config.cache is None else search.cache(dynamic, config.cache)
    return Adaptation(AdaptationConfig(dynamic=dynamic, cache=cache), search.tried)


class _Search:
    def __init__(self, scoring: AdaptiveScoring, dataset: Dataset, progress: ScoringProgress | None):
        self._scoring, self._split, self._progress = scoring, split_of(dataset, SPLIT), progress
        self._losses: dict[DynamicConfig, float] = {}
        self._cached = 0

    @property
    def tried(self) -> int:
        """Settings that were scored."""
        return len(self._losses) + self._cached

    def climb(self, config: DynamicConfig, key: str, *, most: float = np.inf) -> DynamicConfig:
        """The settings with a rate that neither half nor twice of it improves."""
        best = config
        for factor in (FACTOR, 1 / FACTOR):
            while (rate := getattr(best, key) * factor) <= most:
                moved = best.model_copy(update={key: rate})
                improved = self._loss(moved) < self._loss(best)  # never for a loss that is no number
                if not improved:
                    break
                best = moved
        return best

    def cache(self, dynamic: DynamicConfig | None, config: CacheConfig) -> CacheConfig:
        """The cache that fits best to a model that moves so."""
        sizes = dict.fromkeys(max(1, round(config.size * factor)) for factor in SIZES)
        thetas = dict.fromkeys(config.theta * factor for factor in THETAS)
        tried = [CacheConfig(size=size, theta=theta) for size in sizes for theta in thetas]
        self._cached += len(tried)
        model, cached = self._cached_nats(dynamic, tried)
        found: list[tuple[float, CacheConfig]] = []
        for one, nats in zip(tried, cached, strict=True):
            shares = fit_shares(np.stack([model, nats]))
            mixed = np.logaddexp(np.log(shares[0]) - model, np.log(shares[1]) - nats)
            weight = min(round(float(shares[1]), 4), MOST_WEIGHT)
            found.append((-float(mixed.mean()), one.model_copy(update={"weight": weight})))
        return min(found, key=lambda pair: pair[0])[1]

    def _loss(self, config: DynamicConfig) -> float:
        """The mean nats of the split with dynamic evaluation alone, computed once."""
        if config not in self._losses:
            pieces = self._scoring.pieces(
                AdaptationConfig(dynamic=config), self._split, outputs=False, progress=self._progress
            )
            with self._scoring.adapting():
                nats = torch.cat([scored.nats for _, scored in pieces])
            self._losses[config] = nats.double().mean().item()
        return self._losses[config]

    def _cached_nats(
        self, dynamic: DynamicConfig | None, tried: Sequence[CacheConfig]
    ) -> tuple[Floats, list[Floats]]:
        """Nats of each target by the model and by each cache; by the model where nothing is remembered."""
        caches = [NeuralCache(one.size, one.theta) for one in tried]
        model: list[Tensor] = []
        cached: list[list[Tensor]] = [[] for _ in tried]
        with self._scoring.adapting():
            batches = self._scoring.batches(AdaptationConfig(dynamic=dynamic), self._split)
            for window in self._scoring.windows(dynamic, batches, self._progress):
                for features, scored in self._scoring.scored(window, outputs=False):
                    model.append(scored.nats.double())
                    for cache, found in zip(caches, cached, strict=True):
                        reading = cache.read(features, scored.targets)
                        nats = reading.nats(scored.targets)
                        found.append(torch.where(reading.empty, model[-1], nats))
        return _joined(model), [_joined(found) for found in cached]


def _joined(parts: Sequence[Tensor]) -> Floats:
    return torch.cat(list(parts)).cpu().numpy()
