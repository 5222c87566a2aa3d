"""Temperature scaling: one number that all logits are divided by (Guo et al. 2017).

Legend: N texts, K labels.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

LOWEST, HIGHEST = 1e-2, 1e2
"""Temperatures between which the best one is searched."""


def fit_temperature(logits: Float[np.ndarray, "N K"], targets: Int[np.ndarray, " N"]) -> float:
    """The temperature with which the targets have the smallest cross-entropy.

    The cross-entropy is convex in 1 / T, so there is one minimum; it is a limit of the search where
    all targets have the largest logit, or where the logits say nothing of them.

    >>> fit_temperature(np.log([[3.0, 1.0]] * 10), np.array([0] * 9 + [1]))  # ln 3 / T = ln 9
    0.5
    """
    from scipy.optimize import root_scalar

    # A baseline may exclude a label, which has no finite logit.
    centred = np.maximum(logits - logits.max(axis=1, keepdims=True), -1e9)
    hit = centred[np.arange(len(targets)), targets]

    def slope(log_inverse: float) -> float:
        """The derivative of the mean cross-entropy with respect to 1 / T."""
        powers = np.exp(centred * np.exp(log_inverse))
        expected = (powers * centred).sum(axis=1) / powers.sum(axis=1)
        return float(np.mean(expected - hit))

    low, high = -np.log(HIGHEST), -np.log(LOWEST)
    if slope(low) >= 0:
        return HIGHEST
    if slope(high) <= 0:
        return LOWEST
    root = root_scalar(slope, bracket=(low, high), method="brentq", xtol=1e-12).root
    return float(np.exp(-root).round(12))
