"""Values of which some are missing because a run failed: these count as worse than any known value."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from seqlab.schema.errors import UserError
from seqlab.schema.metric_spec import Better


@dataclass(frozen=True, kw_only=True)
class SeedOutcome:
    """The outcome of one seed.

    value: in the unit of its metric; None where it is censored: the run diverged, was stopped early or
        failed, so that it is only known to be worse.
    why: the reason for censoring, in a word or two.
    """

    seed: int
    value: float | None
    why: str = ""

    def __post_init__(self) -> None:
        check_value(self.value, f"The value of seed {self.seed}")


def check_value(value: float | None, what: str) -> None:
    """Raise unless the value is a finite number or None.

    Raises:
        UserError: it is infinite or not a number.
    """
    if value is not None and not math.isfinite(value):
        raise UserError(
            f"{what} must be finite, or None for a run that failed. Got {value!r}. Nearest: None."
        )


def by_seed(outcomes: Sequence[SeedOutcome]) -> dict[int, SeedOutcome]:
    """Outcomes by their seed.

    Raises:
        UserError: there are none, or a seed comes twice.
    """
    if not outcomes:
        raise UserError("There must be the outcome of at least one seed. Got none.")
    known = {outcome.seed: outcome for outcome in outcomes}
    if len(known) < len(outcomes):
        twice = next(seed for seed, count in Counter(o.seed for o in outcomes).items() if count > 1)
        raise UserError(f"Every seed must come once. Got seed {twice!r} more than once.")
    return known


def ordered(values: Sequence[float | None], better: Better) -> list[float]:
    """The values in ascending order; censored ones as the infinity of the worse side.

    >>> ordered([2.0, None, 1.0], "lower"), ordered([0.5, None], "higher")
    ([1.0, 2.0, inf], [-inf, 0.5])
    """
    worse = -math.inf if better == "higher" else math.inf
    return sorted(worse if value is None else float(value) for value in values)


def finite(value: float) -> float | None:
    """The value; None where it is infinite, which means censored."""
    return value if math.isfinite(value) else None


def between(low: float, high: float, weight: float) -> float:
    """The interpolation low + weight (high - low); infinite only where an end with a weight is.

    >>> between(1.0, math.inf, 0.0), between(1.0, math.inf, 0.5), between(1.0, 3.0, 0.25)
    (1.0, inf, 1.5)
    """
    if weight == 0 or low == high:
        return low
    infinite = [end for end in (low, high) if math.isinf(end)]
    if infinite:
        return infinite[0]
    # The distance of two large numbers may be no float, although what is between them is one.
    distance = high - low
    return low + weight * distance if math.isfinite(distance) else (1 - weight) * low + weight * high


def quantile(ascending: Sequence[float], share: float) -> float:
    """The quantile, interpolated linearly between order statistics (type 7 of Hyndman and Fan 1996, numpy's).

    >>> quantile([1.0, 2.0, 4.0, 8.0], 0.5)
    3.0
    """
    position = share * (len(ascending) - 1)
    below = math.floor(position)
    return between(ascending[below], ascending[min(below + 1, len(ascending) - 1)], position - below)
