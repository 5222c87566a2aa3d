"""One label for each sequence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from seqlab.data.batch import Batch
from seqlab.data.batching import Batching, SequenceBatching, gather_rows
from seqlab.data.dataset import Dataset, Split
from seqlab.schema.errors import UserError
from seqlab.tasks.task import Goal, Task


class Classify(Task):
    """Batches of sequences with one label each."""

    unit = "text"
    metrics = ("loss", "accuracy")
    goal = Goal("accuracy", "higher")

    def __init__(self, label_smoothing: float):
        self.label_smoothing = label_smoothing

    def outputs(self, dataset: Dataset) -> int:
        """Number of classes."""
        return len(dataset.labels)

    def batches(self, split: Split, batching: Batching, seed: int | None) -> Sequence[Batch]:
        """Padded batches; see `Task.batches`."""
        if not isinstance(batching, SequenceBatching):
            raise UserError(
                "Task 'classify' needs whole sequences: 'batching.kind' must be 'rows' or 'tokens'. "
                f"Got {batching.kind!r}. Nearest: 'rows'."
            )
        return _LabelledBatches(split, batching.plan(split.lengths, seed))


class _LabelledBatches(Sequence[Batch]):
    def __init__(self, split: Split, plan: list[NDArray[np.int64]]):
        assert split.labels is not None, "checked when the task was built"
        self._split, self._labels, self._plan = split, split.labels, plan

    def __len__(self) -> int:
        return len(self._plan)

    def __getitem__(self, index: int) -> Batch:  # pyright: ignore[reportIncompatibleMethodOverride]
        rows = self._plan[index]
        tokens, lengths = gather_rows(self._split, rows)
        return Batch(
            torch.from_numpy(tokens), torch.from_numpy(lengths), torch.from_numpy(self._labels[rows])
        )
