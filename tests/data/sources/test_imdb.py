import itertools
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from archives import write_archive
from hypothesis import given
from hypothesis import strategies as st

from seqlab.data.sources import imdb
from seqlab.data.sources.imdb import ImdbConfig, choose_valid, read_reviews
from seqlab.schema.errors import UserError

REVIEWS = {
    "aclImdb/train/pos/10_9.txt": "loved it",
    "aclImdb/train/pos/2_8.txt": "great great film",
    "aclImdb/train/neg/0_1.txt": "bad film",
    "aclImdb/train/neg/5_2.txt": "bad film",
    "aclImdb/train/neg/6_3.txt": "worse",
    "aclImdb/test/neg/3_4.txt": "a bad bad story",
    "aclImdb/test/pos/1_10.txt": "it was great",
    "aclImdb/train/unsup/0_0.txt": "not read",
    "aclImdb/README": "not read",
}


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = write_archive(tmp_path / "a.tar.gz", {name: text.encode() for name, text in REVIEWS.items()})
    monkeypatch.setattr(imdb, "_path", lambda: path)
    return path


def test_reviews_are_ordered_by_label_and_number_whatever_the_order_of_the_archive(
    archive: Path, tmp_path: Path
):
    reviews = read_reviews(archive)
    assert [review.text for review in reviews["train"]] == [
        "bad film",
        "bad film",
        "worse",
        "great great film",
        "loved it",
    ]
    assert [review.label for review in reviews["train"]] == [0, 0, 0, 1, 1]
    reordered = dict(reversed([(name, text.encode()) for name, text in REVIEWS.items()]))
    assert read_reviews(write_archive(tmp_path / "b.tar.gz", reordered)) == reviews


@pytest.mark.usefixtures("archive")
@pytest.mark.parametrize("size", [2, 3, 4, 5])
@pytest.mark.parametrize("seed", range(4))
def test_half_of_the_reviews_that_are_kept_have_each_label(size: int, seed: int):
    config = ImdbConfig(final=True, train_size=size, split_seed=seed)
    texts, labels = config.read().texts["train"], [0, 0, 0, 1, 1]
    order = np.random.default_rng(seed).permutation(5).tolist()
    negative = [index for index in order if labels[index] == 0][: size - size // 2]
    positive = [index for index in order if labels[index] == 1][: size // 2]
    kept = config.corpus()
    assert list(kept.texts["train"]) == [texts[index] for index in sorted([*negative, *positive])]
    assert kept.targets["train"] == [0] * len(negative) + [1] * len(positive)


@pytest.mark.usefixtures("archive")
def test_splits_and_labels():
    dataset = ImdbConfig(valid_size=2).build()
    assert dataset.labels == ("negative", "positive")
    assert {name: len(split) for name, split in dataset.splits.items()} == {"train": 3, "valid": 2, "test": 2}
    test = dataset.splits["test"]
    assert test.targets is not None
    assert test.targets.tolist() == [0, 1]


@pytest.mark.usefixtures("archive")
def test_final_trains_on_everything():
    dataset = ImdbConfig(final=True).build()
    assert {name: len(split) for name, split in dataset.splits.items()} == {"train": 5, "test": 2}


@pytest.mark.usefixtures("archive")
def test_the_vocabulary_comes_from_the_training_split_only():
    for seed in range(5):
        config = ImdbConfig(valid_size=2, split_seed=seed)
        words = {word for text in config.read().texts["train"] for word in text.split()}
        assert set(config.build().tokenizer.vocabulary.tokens[4:]) == words


@pytest.mark.usefixtures("archive")
def test_longer_reviews_are_cut():
    first = ImdbConfig(final=True, max_length=1).build()
    last = ImdbConfig(final=True, max_length=1, keep="last").build()
    assert first.tokenizer.decode(first.splits["train"].text.tokens.tolist()) == "bad bad worse great loved"
    assert last.tokenizer.decode(last.splits["train"].text.tokens.tolist()) == "film film worse film it"


@given(st.lists(st.integers(0, 3), min_size=8, max_size=30), st.integers(0, 9))
def test_equal_texts_are_on_one_side_and_the_size_is_exact(repeats: list[int], seed: int):
    texts = [f"text {index}" for index, count in enumerate(repeats) for _ in range(1 + count // 3)]
    size = len(texts) // 3
    if 2 * size >= len(texts) - 2:
        return
    try:
        valid = choose_valid(texts, size=size, seed=seed)
    except UserError:
        assert all(count == 3 for count in repeats)
        return
    assert len(valid) == size
    assert not {texts[index] for index in valid} & {texts[i] for i in range(len(texts)) if i not in valid}
    assert valid == choose_valid(texts, size=size, seed=seed)


def test_other_seeds_choose_other_reviews():
    texts = [str(index) for index in range(100)]
    picks = [tuple(choose_valid(texts, size=20, seed=seed)) for seed in range(5)]
    assert len(set(picks)) == 5


@pytest.mark.parametrize(("texts", "size"), [(["a", "a", "b", "b"], 1), (["a", "b"], 2), (["a"], 3)])
def test_an_impossible_size_is_refused(texts: list[str], size: int):
    with pytest.raises(
        UserError, match=rf"'data.valid_size' must keep .* Got {size} of {len(texts)} reviews"
    ):
        choose_valid(texts, size=size, seed=0)


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.usefixtures("real_data")
def test_the_real_reviews():
    dataset = ImdbConfig(final=True).build()
    assert len(dataset.tokenizer.vocabulary) == 73_278
    for split in dataset.splits.values():
        assert split.targets is not None
        assert np.bincount(split.targets).tolist() == [12_500, 12_500]
    begin = time.perf_counter()
    ImdbConfig(final=True).build()
    assert time.perf_counter() - begin < 3  # 0.2 s on an idle machine


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.usefixtures("real_data")
def test_the_real_split():
    corpus = ImdbConfig().read()
    train, valid, test = (corpus.texts[name] for name in ("train", "valid", "test"))
    assert (len(train), len(valid), len(test)) == (20_000, 5_000, 25_000)
    assert not set(train) & set(valid)
    repeats = Counter(itertools.chain(train, valid))
    assert sum(count - 1 for count in repeats.values()) == 96
    assert sum(text in repeats for text in test) == 123
    assert sum(corpus.targets["valid"]) == pytest.approx(2500, abs=150)
