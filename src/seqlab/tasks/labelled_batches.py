"""Batches of whole sequences with one target each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from seqlab.data.batch import Batch
from seqlab.data.batching import Batching, SequenceBatching, gather_rows
from seqlab.data.dataset import Split
from seqlab.schema.errors import UserError


def labelled_batches(split: Split, batching: Batching, seed: int | None, *, task: str) -> Sequence[Batch]:
    """Padded batches; see `Task.batches`.

    Args:
        split: with a label or a number for each sequence.
        batching: of whole sequences.
        seed: fixes the shuffled order; None keeps the data's.
        task: kind of the task, for the error.

    Raises:
        UserError: the batching is that of running text.
    """
    if not isinstance(batching, SequenceBatching):
        raise UserError(
            f"Task {task!r} needs whole sequences: 'batching.kind' must be 'sequences', 'tokens' or 'packed'. "
            f"Got {batching.kind!r}. Nearest: 'sequences'."
        )
    return _LabelledBatches(split, batching.plan(split.lengths, seed))


class _LabelledBatches(Sequence[Batch]):
    def __init__(self, split: Split, plan: list[NDArray[np.int64]]):
        targets = split.labels if split.numbers is None else split.numbers
        assert targets is not None, "checked when the task was built"
        self._split, self._targets, self._plan = split, targets, plan

    def __len__(self) -> int:
        return len(self._plan)

    def __getitem__(self, index: int) -> Batch:  # pyright: ignore[reportIncompatibleMethodOverride]
        rows = self._plan[index]
        tokens, lengths = gather_rows(self._split, rows)
        return Batch(
            torch.from_numpy(tokens), torch.from_numpy(lengths), torch.from_numpy(self._targets[rows])
        )
