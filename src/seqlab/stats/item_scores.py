"""A model's scores on each item of a split. Legend: N items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seqlab.schema.errors import UserError
from seqlab.schema.metric_spec import MetricSpec

Score = Literal["nats", "right"]
"""nats: mean cross-entropy per target; right: accuracy."""
Unit = Literal["text", "token"]
_MOST = 2.0**900
"""Size of a number of which sums over any number of items and resamples are floats."""


class ItemScores:
    """A model's scores on N items (texts, sentences or tokens), in the order of the split; float64.

    nats: (N,) cross-entropy in nats, summed over the item's targets.
    targets: (N,) number of the item's targets, at least 1.
    right: (N,) number of targets that were predicted; a fraction where seeds were averaged.
    """

    def __init__(self, *, nats: ArrayLike, targets: ArrayLike, right: ArrayLike):
        """Check and keep the scores.

        Raises:
            UserError: unequal lengths, no items, a value that is not finite or out of its range, or nats
                whose sums would not be finite.
        """
        self.nats, self.targets, self.right = (
            np.asarray(x, dtype=np.float64) for x in (nats, targets, right)
        )
        shapes = [array.shape for array in (self.nats, self.targets, self.right)]
        if len(set(shapes)) > 1 or len(shapes[0]) != 1 or shapes[0] == (0,):
            raise UserError(
                "'nats', 'targets' and 'right' must have one number per item each, of at least one item. "
                f"Got shapes {', '.join(map(str, shapes))}."
            )
        _check(np.isfinite(self.nats), self.nats, "'nats' must be finite")
        _check(np.abs(self.nats) <= _MOST, self.nats, f"'nats' must be at most {_MOST:g} in size")
        _check(self.targets >= 1, self.targets, "'targets' must be at least 1")
        _check(self.targets <= _MOST, self.targets, f"'targets' must be at most {_MOST:g}")
        _check(
            (self.right >= 0) & (self.right <= self.targets),
            self.right,
            "'right' must be from 0 to 'targets'",
        )

    def __len__(self) -> int:
        return len(self.targets)

    def scores(self, score: Score) -> NDArray[np.float64]:
        """The sums of one score: (N,)."""
        return self.nats if score == "nats" else self.right

    def value(self, score: Score) -> float:
        """The score per target: the sum of the score over the sum of targets."""
        return float(self.scores(score).sum() / self.targets.sum())


def metric_of(score: Score, unit: Unit) -> MetricSpec:
    """The metric that a score per target is."""
    if score == "nats":
        return MetricSpec(name="loss", unit=f"nats per {unit}", better="lower")
    return MetricSpec(name="accuracy", unit=f"fraction of {unit}s", better="higher")


def averaged(seeds: Sequence[ItemScores]) -> ItemScores:
    """Each item's scores averaged over the seeds of one model.

    Raises:
        UserError: no seeds, or not the same items.
    """
    if not seeds:
        raise UserError("There must be the items of at least one seed. Got none.")
    for other in seeds[1:]:
        check_same(seeds[0], other)
    return ItemScores(
        nats=np.mean([items.nats for items in seeds], axis=0),
        targets=seeds[0].targets,
        right=np.mean([items.right for items in seeds], axis=0),
    )


def check_same(first: ItemScores, second: ItemScores) -> None:
    """Make sure that two models have scored the same items: those have the same numbers of targets.

    Raises:
        UserError: the numbers differ.
    """
    if len(first) != len(second):
        raise UserError(
            f"Both models must have scored the same items. Got {len(first):,} and {len(second):,}."
        )
    different = np.flatnonzero(first.targets != second.targets)
    if len(different):
        index = int(different[0])
        raise UserError(
            "Both models must have scored the same items. "
            f"Got {first.targets[index]:g} and {second.targets[index]:g} targets for item {index}."
        )


def _check(holds: NDArray[np.bool_], values: NDArray[np.float64], what: str) -> None:
    if not holds.all():
        index = int(np.flatnonzero(~holds)[0])
        raise UserError(f"{what}. Got {values[index]:g} for item {index}.")
