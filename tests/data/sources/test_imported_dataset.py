"""Datasets of the user's own: every form that a function may return, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import own_data
import pytest

from seqlab.data.data_kinds import DATASETS
from seqlab.data.dataset import Corpus
from seqlab.data.dataset_config import DatasetConfig
from seqlab.schema.config import parse
from seqlab.schema.errors import UserError, WorkError

FILE = Path(own_data.__file__)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path))


def config(name: str, **settings: Any) -> DatasetConfig:
    return parse(DATASETS["import"], {"kind": "import", "path": f"{FILE}:{name}", **settings})


def rows(corpus: Corpus, split: str) -> list[tuple[str, Any]]:
    targets = corpus.targets[split]
    names: Any = corpus.label_names or targets
    labels = [names[int(target)] for target in targets] if corpus.label_names else targets
    return list(zip(corpus.texts[split], labels, strict=True))


def test_pairs_by_split_come_back_with_their_labels() -> None:
    corpus = config("reviews", arguments={"repeat": 2}).read()
    assert corpus.label_names == ("bad", "good")
    returned: Mapping[str, list[tuple[str, str]]] = own_data.reviews(2)
    assert {split: rows(corpus, split) for split in corpus.texts} == returned


def test_splits_that_are_missing_are_made_stratified_and_disjoint() -> None:
    corpus = config("one_split", valid_fraction=0.2).read()
    parts = {split: rows(corpus, split) for split in corpus.texts}
    assert sorted(row for part in parts.values() for row in part) == sorted(own_data.one_split())
    assert {split: len(part) for split, part in parts.items()} == {"train": 42, "valid": 12, "test": 6}
    for part in parts.values():
        assert sum(label == "good" for _, label in part) == len(part) / 2
    assert parts["valid"] != rows(config("one_split", valid_fraction=0.2, split_seed=1).read(), "valid")
    assert set(config("one_split", valid_fraction=0.0).read().texts) == {"train", "test"}


def test_a_part_of_the_training_texts_is_chosen_by_the_seed_of_splits() -> None:
    whole, size = rows(config("reviews").read(), "train"), 4
    first, other = (
        rows(config("reviews", train_size=size, split_seed=seed).corpus(), "train") for seed in (0, 1)
    )
    assert len(first) == len(other) == size
    assert first != other
    assert set(first) | set(other) <= set(whole)


def test_floats_are_numbers_and_whole_numbers_are_labels() -> None:
    corpus = config("numbers").read()
    assert corpus.label_names == ()
    found = [row for split in corpus.texts for row in rows(corpus, split)]
    assert sorted(found, key=lambda row: row[1]) == list(own_data.numbers())
    assert config("stars").read().label_names == ("9", "10")


def test_texts_without_labels_and_running_text() -> None:
    corpus = config("sentences").read()
    assert (dict(corpus.texts), dict(corpus.targets)) == (own_data.sentences(), {})
    running = config("running").read()
    assert running.running
    assert "".join(running.texts[split][0] for split in ("train", "valid", "test")) == own_data.running()


def test_the_content_is_that_of_the_texts() -> None:
    base = config("reviews").content_hash()
    assert config("reviews").content_hash() == base
    assert config("reviews", arguments={"repeat": 2}).content_hash() != base


def test_the_length_of_texts_is_limited() -> None:
    dataset = config("sentences", max_length=2, keep="last", tokenizer={"kind": "whitespace"}).build()
    tokens = dataset.tokenizer.vocabulary.names(dataset.splits["train"].text.tokens.tolist())
    assert tokens == ["a", "b", "a", "b"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("number", "a list of pairs .* or one text for each split. Got int for 'train'"),
        ("no_train", "must return the split 'train'. Got valid"),
        ("other_split", "no split 'validation' for own_data.py:other_split to return. Nearest: 'valid'"),
        ("mixed", r"Item 1 of split 'train' of own_data.py:mixed must be a text. Got \(str, str\)"),
        ("triples", r"Item 0 of split 'train' .* must be a pair \(text, label\). Got \(str, str, str\)"),
        ("two_forms", "the same form. Got labels in 'train', texts in 'valid'"),
        ("one_label", "at least 2 labels. Got 'x' for every text"),
        ("other_label", "must occur in training. Got 'goood' in 'valid' only. Nearest: 'good'"),
        ("no_number", "label of item 1 of split 'train' .* must be a finite number.* Got nan"),
        ("none_label", "label of item 1 of split 'train' .* must be a text or a number. Got NoneType"),
        ("no_utf8", r"Item 1 of split 'train' of own_data.py:no_utf8 must be UTF-8. Got 'b\\ud800'"),
        ("no_utf8_label", r"label of item 1 of split 'train' .* must be UTF-8. Got 'y\\ud800'"),
        ("huge_number", r"label of item 1 of split 'train' .* must be a finite number.* Got 10{56}\.\.\.\.$"),
        ("breaks_late", r"own_data.py:\d+ failed while it made the texts: SystemExit: 0"),
        ("fails", r"own_data.py:\d+ failed while it made the texts: FileNotFoundError"),
        ("needs", "must be given its argument 'size': data.arguments.size=VALUE"),
        ("reviewz", "Nearest: 'reviews'"),
    ],
)
def test_what_is_no_dataset_is_refused(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        config(name).read()


def test_texts_that_differ_each_time_are_refused() -> None:
    with pytest.raises(WorkError, match=r"must return the same texts each time: seed its random draws"):
        config("drawn").build()


def test_no_text_is_left_to_train_on() -> None:
    with pytest.raises(UserError, match=r"must leave texts to train on. Got 0.6 and 0.5"):
        config("reviews", valid_fraction=0.6, test_fraction=0.5)
    with pytest.raises(UserError, match=r"own_data.py:needs must return enough texts .* none for 'valid'"):
        config("needs", arguments={"size": 1}).read()
