from __future__ import annotations

import tracemalloc

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from seqlab.measure.growing_array import GrowingArray
from seqlab.measure.item_collector import ItemCollector
from seqlab.measure.metric import Scored


@given(st.lists(st.integers(0, 3000), max_size=6))
def test_pieces_are_appended_in_order(sizes: list[int]) -> None:
    pieces = [np.arange(size) + 10_000 * index for index, size in enumerate(sizes)]
    numbers = GrowingArray(np.int64)
    for piece in pieces:
        numbers.extend(piece)
    assert numbers.values.tolist() == np.concatenate([np.zeros(0, np.int64), *pieces]).tolist()


def test_a_scoring_pass_keeps_few_blocks_of_memory() -> None:
    """Blocks that are kept between the large ones of a pass prevent their memory from being used again."""
    piece = Scored(torch.ones(8), torch.zeros(8, 3), torch.zeros(8, dtype=torch.int64), torch.arange(8))
    items = ItemCollector(order=None)
    tracemalloc.start()
    try:
        for _ in range(500):
            items.add(torch.zeros(8, dtype=torch.int64), piece)
        blocks = [trace for trace in tracemalloc.take_snapshot().traces if trace.size > 64]
    finally:
        tracemalloc.stop()
    assert len(items.scores().nats) == 4000
    assert len(blocks) < 50
