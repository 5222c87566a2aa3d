"""Outputs that are sums over the tokens of a text; free of torch. Legend: T tokens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LOG_ODDS = "log odds of the label, ln(p / (1 - p))"
"""What is explained of a label, unless a model says otherwise."""
NUMBER_ITSELF = "predicted number"
"""What is explained of a number."""


@dataclass(frozen=True)
class TokenEffects:
    """An output of a linear model: `empty` plus the sum of the effects of all tokens.

    effects: of each token of a text, (T,). empty: the output for a text without tokens. quantity: what the
    output is, in words.
    """

    effects: NDArray[np.float64]
    empty: float
    quantity: str
