"""One label for each sequence."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from typing_extensions import override

from seqlab.data.batches import Batches
from seqlab.data.batching import Batching
from seqlab.data.dataset import Dataset, Split
from seqlab.models.input_spec import InputSpec
from seqlab.tasks.cross_entropy import CrossEntropyTask
from seqlab.tasks.monitors import monitor_of
from seqlab.tasks.task import input_spec


class ClassifyTask(CrossEntropyTask):
    """Batches of sequences with one label each."""

    unit = "text"
    output = "class"

    def __init__(
        self,
        label_smoothing: float = 0.0,
        *,
        labels: tuple[str, ...] = (),
        class_weights: Float[Tensor, " K"] | None = None,
        metrics: tuple[str, ...] = ("loss", "accuracy"),
        monitor: str = "accuracy",
    ):
        self.label_smoothing, self.labels, self.class_weights = label_smoothing, labels, class_weights
        self.metrics = metrics
        self.monitor = monitor_of(monitor, self.unit)

    @override
    def spec(self, dataset: Dataset) -> InputSpec:
        return input_spec(dataset, outputs=len(dataset.labels), output=self.output)

    @override
    def batches(self, split: Split, batching: Batching, seed: int | None) -> Batches:
        return batching.labelled_batches(split, seed)


def balanced_weights(labels: Shaped[np.ndarray, " N"], classes: int) -> Float[Tensor, " K"]:
    """N / (K n) for a class with n of N texts: every class weighs the same, and a text 1 on average.

    >>> balanced_weights(np.array([0, 0, 0, 1]), 2).tolist()
    [0.6666666865348816, 2.0]
    """
    counts = np.bincount(labels.astype(np.int64), minlength=classes)
    return torch.from_numpy(len(labels) / (classes * counts)).float()
