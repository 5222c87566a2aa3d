"""Metrics of what a classifier's probabilities are worth. Legend: N targets, K classes, M bins.

The probability of a prediction is that of the likeliest class.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from typing_extensions import override

from seqlab.measure.growing_array import GrowingArray
from seqlab.measure.metric import Mean, Scored, TargetMetric, nothing_scored
from seqlab.measure.odds import log_odds, tied
from seqlab.models.input_spec import Output
from seqlab.runs.cards import SURE
from seqlab.schema.records import Curve, Record, Scalar

BINS = 15
"""Bins of equal width (Guo et al. 2017)."""
MOST_POINTS = 1_000
"""Thresholds of a curve that are kept, and the first one with the accuracy `SURE`; each is exact."""

Floats = NDArray[np.float64]


class Brier(TargetMetric):
    """Mean over targets of the sum over classes of (p_k - y_k)^2, y_k being 1 for the target (Brier 1950).

    From 0 to 2; with two classes twice what is often given, which counts one of them.
    """

    outputs: ClassVar[tuple[Output, ...]] = ("class",)

    def __init__(self, unit: str, labels: tuple[str, ...] = ()):
        super().__init__(unit, labels)
        self._squares = Mean()

    @override
    def update(self, scored: Scored) -> None:
        shares = scored.logits.double().softmax(dim=-1)
        hit = torch.nn.functional.one_hot(scored.targets.long(), shares.shape[-1])
        self._squares.add((shares - hit).square().sum(dim=-1))

    @override
    def records(self, split: str) -> list[Record]:
        unit = f"squared probability, sum over classes, mean of {self.unit}s"
        return [Scalar(name="brier", value=self._squares.value(split), unit=unit, split=split)]


class Calibration(TargetMetric):
    """How far the probabilities of predictions are from the shares of right ones, in bins.

    In bin m of M = 15, ((m-1)/M, m/M], are n_m predictions with mean probability conf_m, the share acc_m of
    which is right. The expected calibration error is sum_m n_m / N |acc_m - conf_m| (Guo et al. 2017, "On
    calibration of modern neural networks"). Its estimate is biased: upwards, as the absolute differences of
    finite samples do not cancel, and downwards where errors within a bin do. `calibration_error_by_chance`
    is what a model with right probabilities, the same as these, has on average: each p being right with
    probability p, sum_m sqrt(2 / pi sum_(i in m) p_i (1 - p_i)) / N, by the normal approximation.
    """

    outputs: ClassVar[tuple[Output, ...]] = ("class",)

    def __init__(self, unit: str, labels: tuple[str, ...] = ()):
        super().__init__(unit, labels)
        # Of each bin: predictions, right ones, their probabilities, and the variances of being right.
        self._sums = np.zeros((4, BINS))

    @override
    def update(self, scored: Scored) -> None:
        share, right = _predictions(scored)
        bins = np.clip(np.ceil(share * BINS).astype(np.int64) - 1, 0, BINS - 1)
        values = (np.ones_like(share), right, share, share * (1 - share))
        self._sums += np.stack([np.bincount(bins, weights=value, minlength=BINS) for value in values])

    @override
    def records(self, split: str) -> list[Record]:
        """`calibration_error`, the same by chance, and two curves over the mean probability of each bin."""
        total = float(self._sums[0].sum())
        if not total:
            raise nothing_scored(split)
        count, right, share, variance = self._sums[:, self._sums[0] > 0]
        unit = f"fraction of {self.unit}s"
        error = float(np.abs(right - share).sum() / total)
        chance = float(np.sqrt(2 / np.pi * variance).sum() / total)
        x = tuple((share / count).tolist())
        x_unit = "mean probability of the predicted label"
        return [
            Scalar(name="calibration_error", value=error, unit=unit, split=split),
            Scalar(name="calibration_error_by_chance", value=chance, unit=unit, split=split),
            *(
                Curve(name=name, x=x, y=tuple(y.tolist()), x_unit=x_unit, y_unit=y_unit, split=split)
                for name, y, y_unit in (
                    ("calibration_accuracy", right / count, f"fraction of the {self.unit}s of a bin"),
                    ("calibration_share", count / total, unit),
                )
            ),
        ]


class Abstention(TargetMetric):
    """What is left and how much of it is right when predictions below a probability are not made.

    At every threshold t: the share of targets whose prediction has at least the probability t, and the
    accuracy among them; t goes through all probabilities that occur (see `abstention`), or through
    `MOST_POINTS` of them at equal distances in rank and the first one with the accuracy `SURE`. Each
    probability is kept, 9 bytes a target.
    """

    outputs: ClassVar[tuple[Output, ...]] = ("class",)

    def __init__(self, unit: str, labels: tuple[str, ...] = ()):
        super().__init__(unit, labels)
        self._shares, self._right = GrowingArray(np.float64), GrowingArray(np.bool_)

    @override
    def update(self, scored: Scored) -> None:
        share, right = _predictions(scored)
        self._shares.extend(share)
        self._right.extend(right)

    @override
    def records(self, split: str) -> list[Record]:
        """Two curves, `abstention_answered` and `abstention_accuracy`; see `Metric.records`."""
        if not len(self._shares.values):
            raise nothing_scored(split)
        thresholds, answered, accuracy = abstention(self._shares.values, self._right.values)
        return [
            Curve(
                name=name,
                x=tuple(thresholds.tolist()),
                y=tuple(y.tolist()),
                x_unit="least probability of an answer",
                y_unit=unit,
                split=split,
            )
            for name, y, unit in (
                ("abstention_answered", answered, f"fraction of {self.unit}s"),
                ("abstention_accuracy", accuracy, f"fraction of the answered {self.unit}s"),
            )
        ]


def abstention(shares: Floats, right: NDArray[np.bool_], most: int = MOST_POINTS) -> Floats:
    """For the probabilities that occur, ascending: a threshold, the share answered, and their accuracy.

    Probabilities that are equal but for rounding are one. A threshold is rounded down to four decimals, or to
    as many as leave out the next smaller probability: whoever types it gets just these answers.

    Args:
        shares: (N,) the probability of each prediction.
        right: (N,) whether it is right.
        most: probabilities that are kept, at equal distances in rank, besides the first one with the
            accuracy `SURE`.

    >>> abstention(np.array([0.9, 0.6, 0.9, 0.7]), np.array([True, False, True, False])).round(3).tolist()
    [[0.6, 0.7, 0.9], [1.0, 0.75, 0.5], [0.5, 0.667, 1.0]]
    """
    _, which = np.unique(tied(log_odds(shares)), return_inverse=True)
    counts, hits = (
        np.bincount(which, weights=weights)[::-1].cumsum()[::-1] for weights in (np.ones(len(shares)), right)
    )
    lowest, highest = np.ones(len(counts)), np.zeros(len(counts))
    np.minimum.at(lowest, which, shares)
    np.maximum.at(highest, which, shares)
    accuracy = hits / counts
    spread = np.linspace(0, len(counts) - 1, min(most, len(counts))).astype(np.int64)
    kept = np.union1d(spread, np.flatnonzero(accuracy >= SURE)[:1])
    below = np.concatenate([[0.0], highest])[kept]
    thresholds = [_threshold(*ends) for ends in zip(below.tolist(), lowest[kept].tolist(), strict=True)]
    return np.stack([np.array(thresholds), counts[kept] / len(shares), accuracy[kept]])


def _threshold(below: float, lowest: float) -> float:
    """The shortest decimal of four digits or more that is above one probability and at most another one."""
    for digits in range(4, 18):
        scale = 10.0**digits
        rounded = np.floor(lowest * scale) / scale
        if below < rounded <= lowest:
            return float(rounded)
    return lowest


def _predictions(scored: Scored) -> tuple[Floats, NDArray[np.bool_]]:
    """The probability of each prediction, and whether it is right."""
    shares = scored.logits.double().softmax(dim=-1).max(dim=-1).values
    return shares.cpu().numpy(), scored.right.cpu().numpy()
