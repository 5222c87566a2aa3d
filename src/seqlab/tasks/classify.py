"""One label for each sequence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from seqlab.data.batch import Batch
from seqlab.data.batching import Batching
from seqlab.data.dataset import Dataset, Split
from seqlab.tasks.cross_entropy import CrossEntropyTask
from seqlab.tasks.labelled_batches import labelled_batches
from seqlab.tasks.monitors import monitor_of


class ClassifyTask(CrossEntropyTask):
    """Batches of sequences with one label each."""

    unit = "text"

    def __init__(
        self,
        label_smoothing: float,
        *,
        labels: tuple[str, ...] = (),
        class_weights: Float[Tensor, " K"] | None = None,
        metrics: tuple[str, ...] = ("loss", "accuracy"),
        monitor: str = "accuracy",
    ):
        self.label_smoothing, self.labels, self.class_weights = label_smoothing, labels, class_weights
        self.metrics = metrics
        self.monitor = monitor_of(monitor, self.unit)

    def outputs(self, dataset: Dataset) -> int:
        """Number of classes."""
        return len(dataset.labels)

    def batches(self, split: Split, batching: Batching, seed: int | None) -> Sequence[Batch]:
        """Padded batches; see `Task.batches`."""
        return labelled_batches(split, batching, seed, task="classify")


def balanced_weights(labels: NDArray[np.int64], classes: int) -> Float[Tensor, " K"]:
    """N / (K n) for a class with n of N texts: every class weighs the same, and a text 1 on average.

    >>> balanced_weights(np.array([0, 0, 0, 1]), 2).tolist()
    [0.6666666865348816, 2.0]
    """
    counts = np.bincount(labels, minlength=classes)
    return torch.from_numpy(len(labels) / (classes * counts)).float()
