"""The mean of what several models answer. Legend: M models, N texts, K labels, V outputs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from seqlab.evaluate.prediction import Floats
from seqlab.experiment.experiment_config import AnyExperimentConfig


def mean_probabilities(outputs: Sequence[Float[np.ndarray, "N K"]], shares: Sequence[float]) -> Floats:
    """The log of the weighted mean of the models' probabilities, (N, K), from M times their logits.

    It is computed from log probabilities, so that it is finite where the mean is below the least float.

    Args:
        outputs: logits of the labels, of each model.
        shares: of each model, M positive numbers that add up to 1.

    >>> np.exp(mean_probabilities([np.log([[0.5, 0.5]]), np.log([[0.9, 0.1]])], (0.5, 0.5))).round(9).tolist()
    [[0.7, 0.3]]
    >>> mean_probabilities([np.array([[0.0, -1e4]])] * 2, (0.5, 0.5)).round(9).tolist()
    [[0.0, -10000.0]]
    """
    logs = [each - np.logaddexp.reduce(each, axis=1, keepdims=True) for each in outputs]
    weighted = [log + np.log(share) for log, share in zip(logs, shares, strict=True)]
    return np.logaddexp.reduce(weighted, axis=0)


def mean_numbers(outputs: Sequence[Float[np.ndarray, "N 1"]], shares: Sequence[float]) -> Floats:
    """The weighted mean of the models' numbers, (N, 1); see `mean_probabilities`.

    >>> mean_numbers([np.array([[1.0]]), np.array([[4.0]])], (0.75, 0.25)).tolist()
    [[1.75]]
    """
    return np.tensordot(np.array(shares), np.stack(outputs), axes=1)


COMBINE = {"class": mean_probabilities, "number": mean_numbers}
"""By what a task predicts."""


def combine(config: AnyExperimentConfig, outputs: Sequence[Floats]) -> Floats:
    """The outputs of an ensemble, (N, V), from those of its members."""
    return COMBINE[config.task.output](outputs, tuple(config.members.values()))
