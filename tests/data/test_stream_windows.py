import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab.tasks.language_model import StreamWindows

SIZES = {"count": st.integers(1, 120), "rows": st.integers(1, 20), "window": st.integers(1, 12)}
START = 9999


def windows_of(count: int, rows: int, window: int) -> StreamWindows:
    return StreamWindows(np.arange(count, dtype=np.int32), rows, window, START)


@given(**SIZES)
def test_every_token_is_a_target_once_behind_the_one_before_it(count: int, rows: int, window: int):
    targets: list[int] = []
    for batch in windows_of(count, rows, window):
        kept = batch.targets[batch.mask]
        before = batch.tokens[batch.mask]
        assert before.tolist() == [START if token == 0 else token - 1 for token in kept.tolist()]
        targets += kept.tolist()
    assert sorted(targets) == list(range(count))


@given(**SIZES)
def test_a_row_goes_on_where_it_stopped(count: int, rows: int, window: int):
    batches = list(windows_of(count, rows, window))
    for row in range(min(rows, count)):
        text = [token for b in batches for token in b.targets[row, : b.lengths[row]].tolist()]
        assert text == list(range(text[0], text[0] + len(text)))


@given(**SIZES)
def test_windows_have_their_length_but_the_last(count: int, rows: int, window: int):
    batches = windows_of(count, rows, window)
    for batch in list(batches)[:-1]:
        assert batch.lengths.tolist() == [window] * min(rows, count)
    last = batches[len(batches) - 1].lengths
    assert 1 <= last.min() <= last.max() <= min(window + 1, last.min() + 1)


def test_an_index_beyond_the_end_is_none():
    batches = windows_of(10, 2, 3)
    with pytest.raises(IndexError):
        batches[len(batches)]
    with pytest.raises(IndexError):
        batches[-1]
