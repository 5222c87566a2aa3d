"""Resampling items, or blocks of neighbouring items, with replacement. Legend: N items."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from seqlab.schema.errors import UserError
from seqlab.stats.interval import Draws

RESAMPLES = 9_999
"""One less than a round number, so that the 2.5 % quantile is itself a resample."""
LEAST_BLOCK = 50
"""In tokens; about two sentences."""
_AT_ONCE = 2_000_000
"""Draws that are in memory at the same time, at most."""


def default_block(items: int) -> int:
    """Items per block: n^(1/3) rounded up, at least `LEAST_BLOCK`.

    This rate is optimal for the variance (Hall, Horowitz and Jing 1995); the least length keeps the tokens of
    a sentence and of the next one together.

    >>> default_block(73_760), default_block(1_000_000)
    (50, 100)
    """
    return max(LEAST_BLOCK, math.ceil(round(items ** (1 / 3), 9)))


def ratios(
    tops: NDArray[np.float64],
    bottoms: NDArray[np.float64],
    *,
    block: int = 1,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Draws:
    """sum(tops) / sum(bottoms) of each resample: (resamples,).

    With blocks of 1 it is the ordinary bootstrap of independent items (Efron and Tibshirani 1993). Longer
    blocks keep neighbours together: the circular block bootstrap (Politis and Romano 1992) draws starts from
    all N positions, continues at the beginning where a block passes the end, and cuts the last block so that
    a resample has N items.

    Args:
        tops: (N,).
        bottoms: (N,), such as the number of targets of each item.
        block: items per block, at most N.
        resamples: their number.
        seed: of the draws.

    Raises:
        UserError: the block is longer than the text or shorter than 1, or there are no resamples.
    """
    count = len(tops)
    if not 1 <= block <= count:
        raise UserError(f"'block' must be from 1 to the {count:,} items there are. Got {block!r}.")
    if resamples < 1:
        raise UserError(f"'resamples' must be at least 1. Got {resamples!r}. Nearest: {RESAMPLES:,}.")
    # Block sums are computed once, so that a resample only adds one number per block.
    whole, rest = divmod(count, block)
    sums = [(_block_sums(values, block), _block_sums(values, rest)) for values in (tops, bottoms)]
    random = np.random.default_rng(seed)
    found = np.empty(resamples)
    # In parts, because all draws of a long text at once would not fit into memory.
    rows = max(1, _AT_ONCE // (whole + 1))
    for begin in range(0, resamples, rows):
        here = min(rows, resamples - begin)
        starts = random.integers(0, count, size=(here, whole), dtype=np.int32)
        last = random.integers(0, count, size=here, dtype=np.int32)
        top, bottom = (full[starts].sum(axis=1) + cut[last] for full, cut in sums)
        found[begin : begin + here] = top / bottom
    return found


def _block_sums(values: NDArray[np.float64], block: int) -> NDArray[np.float64]:
    """The sum of `block` values from each start, continued at the beginning after the end: (N,)."""
    if block == 1:
        return values
    cumulative = np.concatenate([[0.0], np.cumsum(np.concatenate([values, values[:block]]))])
    return cumulative[block : block + len(values)] - cumulative[: len(values)]
