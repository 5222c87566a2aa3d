"""The weights of a mixture that fit a text best. Legend: N targets, M models."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from seqlab.evaluate.prediction import Floats

TOLERANCE = 1e-9
"""Nats per target by which the mixture may be worse than the best one, at most."""
MOST_STEPS = 100_000


def fit_shares(nats: Float[np.ndarray, "M N"]) -> Floats:
    """The shares (M,) of the mixture sum_m s_m p_m with the smallest mean -ln probability of the targets.

    Expectation maximisation: s_m <- s_m g_m with g_m = mean_n p_mn / sum_k s_k p_kn. The mean log probability
    L is concave in s and has the gradient g, with s . g = 1, so L is at most max(g) - 1 below its maximum,
    which ends the steps.

    Args:
        nats: -ln of the probability that each model gives each target; infinite where that is 0. Every target
            must be possible for one model.

    >>> fit_shares(-np.log([[0.5, 0.5], [0.25, 0.75]])).round(3).tolist()
    [1.0, 0.0]
    >>> fit_shares(-np.log([[0.9, 0.2], [0.2, 0.9]])).round(3).tolist()
    [0.5, 0.5]
    """
    models, targets = nats.shape
    # Relative to the likeliest model, so that no probability underflows.
    probabilities = np.exp(nats.min(axis=0) - nats)
    shares = np.full(models, 1 / models)
    for _ in range(MOST_STEPS):
        gradient = probabilities @ (1 / (shares @ probabilities)) / targets
        if gradient.max() - 1 < TOLERANCE:
            break
        shares *= gradient
        shares /= shares.sum()
    return shares
