"""Parts of a training split: nested, with every label, and of a running text its beginning."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab.data.dataset import Corpus
from seqlab.data.sources.marked_addition import MarkedAdditionConfig
from seqlab.data.training_subset import keep_training, nested_order
from seqlab.schema.errors import UserError

LABELS = st.lists(st.integers(0, 3), min_size=1, max_size=60)


def corpus(labels: list[int]) -> Corpus:
    texts = [f"text {index}" for index in range(len(labels))]
    return Corpus({"train": texts, "valid": ["other"]}, {"train": labels, "valid": [0]}, ("a", "b", "c", "d"))


@given(labels=LABELS, seed=st.integers(0, 9))
def test_every_beginning_has_each_labels_share_and_each_label(labels: list[int], seed: int):
    order = nested_order(np.array(labels), seed=seed, even=False)
    assert sorted(order.tolist()) == list(range(len(labels)))
    counts = Counter(labels)
    for size in range(len(counts), len(labels) + 1):
        kept = Counter(labels[index] for index in order[:size])
        assert set(kept) == set(counts)
        # The first text of each label can move the others by as many as there are labels.
        for label, count in counts.items():
            assert abs(kept[label] - size * count / len(labels)) <= len(counts)


@given(labels=LABELS, seed=st.integers(0, 9))
def test_even_beginnings_differ_by_one_text_at_most(labels: list[int], seed: int):
    order = nested_order(np.array(labels), seed=seed, even=True)
    counts = Counter(labels)
    assert len(set(order.tolist())) == len(order)
    for size in range(len(order) + 1):
        kept = [sum(labels[index] == label for index in order[:size]) for label in counts]
        assert max(kept) - min(kept) <= 1
    # One more would need a text of a label that has none left.
    following = sorted(counts)[len(order) % len(counts)]
    assert counts[following] == len(order) // len(counts)


def test_texts_keep_their_order_and_their_targets():
    whole = corpus([0, 1] * 20)
    part = keep_training(whole, 11, seed=3, even=False)
    kept = list(part.texts["train"])
    assert kept == sorted(kept, key=lambda text: int(text.split()[1]))
    assert part.targets["train"] == [int(text.split()[1]) % 2 for text in kept]
    assert [part.texts["train"][index] for index in range(11)] == kept
    assert (part.texts["valid"], part.targets["valid"]) == (["other"], [0])
    assert list(keep_training(whole, 11, seed=4, even=False).texts["train"]) != kept


def test_sources_stay_with_their_texts():
    texts = {"train": ["one", "two", "three", "four"]}
    sources = {"train": ["eins", "zwei", "drei", "vier"]}
    part = keep_training(Corpus(texts, sources=sources), 2, seed=0, even=False)
    pairs = set(zip(texts["train"], sources["train"], strict=True))
    assert len(set(zip(part.texts["train"], part.sources["train"], strict=True)) & pairs) == 2


@pytest.mark.parametrize(
    ("labels", "size", "even", "error"),
    [
        ([0, 1], 3, False, r"at most what the training split has, 2 examples\. Got 3\. Nearest: 2\."),
        ([0, 0, 0, 1], 4, True, r"3 examples with equally many of each label\. Got 4\. Nearest: 3\."),
        ([0, 1, 2], 2, False, r"an example of each of the 3 labels\. Got 2\. Nearest: 3\."),
    ],
)
def test_sizes_that_cannot_be(labels: list[int], size: int, even: bool, error: str):
    with pytest.raises(UserError, match=f"'data.train_size' must .*{error}"):
        keep_training(corpus(labels), size, seed=0, even=even)


def test_new_examples_of_each_epoch_are_as_many():
    config = MarkedAdditionConfig(train=100, valid=5, test=5, train_size=30, resample_each_epoch=True)
    assert len(config.training_split(config.build(), seed=1)) == 30
