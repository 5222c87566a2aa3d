import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab.data.sources.splitting import split_rows

ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30)), min_size=1, max_size=80)


@given(ROWS, st.floats(0, 0.45), st.floats(0, 0.45), st.integers(0, 99))
def test_every_row_once_and_equal_texts_together(rows, valid: float, test: float, seed: int):
    labels, texts = np.array(rows).T
    shares = {"valid": valid, "test": test}
    parts = split_rows(labels, texts, shares, seed)
    assert set(parts) == {"train", *(name for name, share in shares.items() if share > 0)}
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(len(rows)))
    seen = [set(texts[part].tolist()) for part in parts.values()]
    assert len(set().union(*seen)) == sum(map(len, seen))
    assert all((np.diff(part) > 0).all() for part in parts.values())
    again = split_rows(labels, texts, shares, seed)
    assert all((again[name] == parts[name]).all() for name in parts)


@given(st.lists(st.integers(3, 60), min_size=1, max_size=4), st.floats(0.05, 0.4), st.integers(0, 9))
def test_every_label_has_its_share_in_every_split(counts: list[int], share: float, seed: int):
    labels = np.repeat(np.arange(len(counts)), counts)
    parts = split_rows(labels, np.arange(len(labels)), {"valid": share, "test": share}, seed)
    for label, count in enumerate(counts):
        for name in ("valid", "test"):
            expected = max(1, round(share * count))
            found = int((labels[parts[name]] == label).sum())
            assert found == expected or (name == "test" and 1 <= found <= expected)
        assert (labels[parts["train"]] == label).any()


@pytest.mark.parametrize(
    ("texts", "splits"), [(1, ["train"]), (2, ["train", "valid"]), (3, ["train", "valid", "test"])]
)
def test_few_texts_go_to_train_first(texts: int, splits: list[str]):
    parts = split_rows(np.zeros(texts, np.int64), np.arange(texts), {"valid": 0.1, "test": 0.1}, seed=0)
    assert [name for name, part in parts.items() if len(part)] == splits


def test_a_text_repeated_too_often_stays_in_train():
    texts = np.array([0] * 50 + list(range(1, 51)))
    for seed in range(10):
        parts = split_rows(np.zeros(100, np.int64), texts, {"valid": 0.1, "test": 0.1}, seed)
        assert {name: len(part) for name, part in parts.items()} == {"train": 80, "valid": 10, "test": 10}
        assert 0 in texts[parts["train"]]
