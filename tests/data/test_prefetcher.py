"""Batches prepared ahead are the same batches, and the next is ready before it is requested."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest
import torch

from seqlab.data.batch import Batch
from seqlab.data.prefetcher import Prefetcher
from seqlab.data.sequences import Padded


class Counted(Sequence[Batch]):
    """Batches that record which thread requested them; the one at `broken` cannot be made."""

    def __init__(self, count: int, broken: int = -1):
        self.size, self.broken, self.made = count, broken, threading.Event()
        self.threads: dict[int, str] = {}

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> Batch:  # pyright: ignore[reportIncompatibleMethodOverride]
        if index == self.broken:
            raise ValueError("broken")
        self.threads[index] = threading.current_thread().name
        self.made.set()
        one = torch.tensor([index])
        return Batch(Padded(one.unsqueeze(1), torch.ones_like(one)), one)


def test_they_are_the_same_and_made_ahead() -> None:
    batches = Counted(3)
    with Prefetcher(batches) as ahead:
        assert len(ahead) == 3
        first = ahead[0]
        batches.made.clear()
        taken = [first, ahead[1], ahead[2]]
    assert [int(batch.target_values) for batch in taken] == [0, 1, 2]
    assert batches.threads[0] == threading.main_thread().name
    assert {batches.threads[1], batches.threads[2]} == {"batches_0"}


def test_one_can_begin_anywhere_and_jump() -> None:
    with Prefetcher(Counted(9)) as ahead:
        assert [int(ahead[index].target_values) for index in (4, 5, 2, 8, 0, 1)] == [4, 5, 2, 8, 0, 1]


def test_an_error_comes_where_the_batch_is_taken() -> None:
    with Prefetcher(Counted(3, broken=1)) as ahead:
        assert int(ahead[0].target_values) == 0
        with pytest.raises(ValueError, match="broken"):
            _ = ahead[1]


def test_no_thread_outlives_its_use() -> None:
    before = threading.active_count()
    with Prefetcher(Counted(3)) as ahead:
        _ = ahead[0]
    assert threading.active_count() == before
