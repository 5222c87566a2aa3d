import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seqlab.data.batches import StreamWindows

SIZES = {"count": st.integers(1, 120), "rows": st.integers(1, 20), "window": st.integers(1, 12)}
START = 9999


def windows_of(count: int, rows: int, window: int) -> StreamWindows:
    tokens = np.arange(count, dtype=np.int32)
    return StreamWindows(tokens, batch_size=rows, sequence_length=window, start=START)


@given(**SIZES)
def test_every_token_is_a_target_once_after_the_one_before_it(count: int, rows: int, window: int):
    targets: list[int] = []
    for batch in windows_of(count, rows, window):
        assert torch.equal(batch.target_mask, batch.inputs.mask)
        kept = batch.target_values[batch.target_mask]
        before = batch.inputs.tokens[batch.inputs.mask]
        assert before.tolist() == [START if token == 0 else token - 1 for token in kept.tolist()]
        targets += kept.tolist()
    assert sorted(targets) == list(range(count))


@given(**SIZES)
def test_a_sequence_continues_where_it_stopped_in_the_batch_before(count: int, rows: int, window: int):
    batches = windows_of(count, rows, window)
    assert batches.carried
    for row in range(min(rows, count)):
        text = [t for b in batches for t in b.target_values[row, : b.inputs.lengths[row]].tolist()]
        assert text == list(range(text[0], text[0] + len(text)))


@given(**SIZES)
def test_windows_have_their_length_but_the_last(count: int, rows: int, window: int):
    batches = windows_of(count, rows, window)
    for batch in list(batches)[:-1]:
        assert batch.inputs.lengths.tolist() == [window] * min(rows, count)
    last = batches[len(batches) - 1].inputs.lengths
    assert 1 <= last.min() <= last.max() <= min(window + 1, last.min() + 1)


def test_an_index_beyond_the_end_is_refused():
    batches = windows_of(10, 2, 3)
    with pytest.raises(IndexError):
        batches[len(batches)]
    with pytest.raises(IndexError):
        batches[-1]
