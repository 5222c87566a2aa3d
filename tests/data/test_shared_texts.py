"""Texts that several splits share, counted when the data is built."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqlab.data.describe import describe
from seqlab.data.sources.brackets import BracketsConfig
from seqlab.data.sources.imdb import ImdbConfig
from seqlab.data.sources.table import TableConfig


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path))


def test_the_count_is_that_of_the_texts() -> None:
    config = BracketsConfig(train=60, valid=30, test=20)
    texts, dataset = config.read().texts, config.build()
    expected = {
        name: {other: sum(text in texts[other] for text in texts[name]) for other in texts if other != name}
        for name in texts
    }
    assert dataset.shared == expected
    assert expected["valid"]["train"] > 0
    assert dataset.notes == (), "of draws from one distribution it is no surprise"
    shown = describe(config)["shared"]
    assert shown["test"] == {**expected["test"], "test": None}
    assert config.build().shared == expected, "read from the cache"


def test_both_splits_learned_from_are_one() -> None:
    config = BracketsConfig(train=60, valid=30, test=20)
    texts = config.read().texts
    whole = [*texts["train"], *texts["valid"]]
    joined = config.build().with_valid_in_train().shared
    assert joined["test"] == {"train": sum(text in whole for text in texts["test"])}
    assert joined["train"] == {"test": sum(text in texts["test"] for text in whole)}


def test_a_table_with_files_of_its_own_is_noted(tmp_path: Path) -> None:
    for name, rows in {"train": ["a", "b", "c", "d"], "test": ["b", "e", "b"]}.items():
        lines = [f"{text} film,{'xy'[index % 2]}\n" for index, text in enumerate(rows)]
        (tmp_path / f"{name}.csv").write_text("text,label\n" + "".join(lines))
    paths = {name: str(tmp_path / f"{name}.csv") for name in ("train", "test")}
    config = TableConfig(path=paths["train"], valid_path=paths["train"], test_path=paths["test"])
    dataset = config.build()
    assert dataset.shared["test"] == {"train": 2, "valid": 2}
    sentence = "4 of 4 in 'valid' are in 'train', too; 2 of 3 in 'test' are in 'train', too"
    assert sentence in " ".join(dataset.notes)


def test_a_text_that_is_much_longer_than_the_others_is_noted(tmp_path: Path) -> None:
    rows = [f"{word} film,{label}\n" for word in "abcd" for label in "xy"]
    (tmp_path / "t.csv").write_text("text,label\n" + "".join(rows) + "word " * 100_000 + ",x\n")
    config = TableConfig(path=str(tmp_path / "t.csv"), test_fraction=0.0)
    notes = [note for note in config.build().notes if "The longest text in" in note]
    assert len(notes) == 1
    assert "has 100,000 tokens, the median 2." in notes[0]
    assert "'data.max_length' cuts longer texts" in notes[0]
    shorter = config.model_copy(update={"max_length": 99_999})
    assert not [note for note in shorter.build().notes if "The longest text in" in note]


@pytest.mark.data
@pytest.mark.slow
def test_imdb_has_reviews_in_two_splits() -> None:
    shared = ImdbConfig().build().shared
    assert shared["valid"]["test"] == shared["test"]["valid"] == 24
    assert shared["test"]["train"] == 99
