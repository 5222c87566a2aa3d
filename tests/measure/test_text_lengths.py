"""Accuracy by the length of texts."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from seqlab.measure.metric import Scored
from seqlab.measure.text_lengths import AccuracyByLength, grouped
from seqlab.schema.records import Matrix


def measured(lengths: np.ndarray, right: np.ndarray) -> list[Matrix]:
    metric = AccuracyByLength("text")
    targets = torch.zeros(len(lengths), dtype=torch.int64)
    logits = torch.nn.functional.one_hot(torch.from_numpy(~right).long(), 2).float()
    metric.update(Scored(torch.ones(len(lengths)), logits, targets, targets, torch.from_numpy(lengths)))
    return metric.records("valid")  # pyright: ignore[reportReturnType]


def test_groups_have_about_as_many_texts_and_the_interval_of_scipy() -> None:
    random = np.random.default_rng(1)
    lengths, right = random.integers(5, 900, 1000), random.random(1000) < 0.8
    (matrix,) = measured(lengths, right)
    assert len(matrix.rows) == 10
    for title, (accuracy, low, high, texts, mean) in zip(matrix.rows, matrix.values, strict=True):
        first, last = map(int, title.split(" to "))
        inside = (first <= lengths) & (lengths <= last)
        assert texts == inside.sum()
        assert 90 <= texts <= 110
        assert accuracy == right[inside].mean()
        assert mean == lengths[inside].mean()
        interval = stats.binomtest(int(right[inside].sum()), int(texts)).proportion_ci(method="exact")
        np.testing.assert_allclose([low, high], interval, rtol=1e-9)


def test_texts_of_one_length_have_no_groups() -> None:
    assert measured(np.full(50, 7), np.ones(50, bool)) == []
    (matrix,) = measured(np.array([7] * 49 + [2000]), np.ones(50, bool))
    assert matrix.rows == ("7", "2,000")


@given(st.lists(st.integers(1, 50), min_size=1, max_size=40))
def test_every_length_is_in_one_group_in_order(counts: list[int]) -> None:
    groups = grouped(np.array(counts))
    assert np.concatenate(groups).tolist() == list(range(len(counts)))
    assert len(groups) <= 10
