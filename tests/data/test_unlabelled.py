"""Texts without labels: in the vocabulary, in the training of language models, and never scored ones."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from archives import write_archive

from seqlab.data.dataset import Corpus, Dataset
from seqlab.data.describe import describe
from seqlab.data.sources import imdb
from seqlab.data.sources.imdb import ImdbConfig, read_unlabelled
from seqlab.data.sources.table import TableConfig
from seqlab.data.unlabelled import leave_out
from seqlab.schema.config import parse, plain
from seqlab.schema.errors import UserError
from seqlab.tasks.task_configs import ClassifyConfig, LanguageModelConfig

LABELLED = {
    "aclImdb/train/pos/1_9.txt": "loved it",
    "aclImdb/train/pos/2_8.txt": "great film",
    "aclImdb/train/neg/0_1.txt": "bad film",
    "aclImdb/train/neg/5_2.txt": "bad plot",
    "aclImdb/test/neg/3_4.txt": "a dull story",
    "aclImdb/test/pos/1_10.txt": "it was great",
}
UNLABELLED = {
    "aclImdb/train/unsup/10_0.txt": "a quiet film",
    "aclImdb/train/unsup/2_0.txt": "a dull story",
    "aclImdb/train/unsup/1_0.txt": "slow film slow plot",
    "aclImdb/train/unsup/3_0.txt": "a dull story",
    "aclImdb/train/unsup/4_0.txt": "loved it",
}
REST = ["slow film slow plot", "loved it", "a quiet film"]
"""What is left of the unlabelled texts where `loved it` is a training text."""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path / "cache"))
    members = {name: text.encode() for name, text in {**LABELLED, **UNLABELLED}.items()}
    archive = write_archive(tmp_path / "a.tar.gz", members)
    monkeypatch.setattr(imdb, "_path", lambda: archive)


def texts_of(dataset: Dataset, split: Any) -> list[str]:
    return [dataset.tokenizer.decode(ids.tolist()) for ids in split.text]


def test_reviews_without_a_label_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    numbers = [1, 2, 3, 4, 10]
    expected = [UNLABELLED[f"aclImdb/train/unsup/{number}_0.txt"] for number in numbers]
    assert read_unlabelled(tmp_path / "a.tar.gz") == expected


def test_the_vocabulary_is_that_of_training_and_unlabelled_texts() -> None:
    dataset = ImdbConfig(final=True, unlabelled=True).build()
    counts = Counter(" ".join(["bad film", "bad plot", "loved it", "great film", *REST]).split())
    words = dataset.tokenizer.vocabulary.tokens[4:]
    assert sorted(words) == sorted(counts)
    assert [counts[word] for word in words] == sorted(counts.values(), reverse=True)
    assert not {"dull", "story", "was"} & set(words), "words of test texts alone"


def test_texts_of_a_split_that_is_scored_are_left_out() -> None:
    config = ImdbConfig(final=True, unlabelled=True)
    for dataset in (config.build(), config.build()):  # encoded, then read from the cache
        assert dataset.unlabelled is not None
        assert texts_of(dataset, dataset.unlabelled) == REST
        assert dataset.left_out == {"test": 2}
        assert (
            "Of 5 unlabelled texts 2 are left out, because they are in a split that is scored: 2 in 'test'."
            in (dataset.notes)
        )


@pytest.mark.parametrize("seed", range(4))
def test_a_text_of_the_validation_split_is_left_out_whichever_texts_it_has(seed: int) -> None:
    config = ImdbConfig(valid_size=1, split_seed=seed, unlabelled=True)
    (valid,) = config.read().texts["valid"]
    dataset = config.build()
    assert dataset.left_out["valid"] == (valid == "loved it")
    assert dataset.unlabelled is not None
    assert texts_of(dataset, dataset.unlabelled) == [text for text in REST if text != valid]


def test_a_language_model_learns_from_them_and_a_classifier_does_not() -> None:
    dataset = ImdbConfig(final=True, unlabelled=True).build()
    labelled = ["bad film", "bad plot", "loved it", "great film"]
    assert ClassifyConfig().adapted(dataset) is dataset
    assert texts_of(dataset, dataset.splits["train"]) == labelled
    learned = LanguageModelConfig().adapted(dataset)
    assert texts_of(learned, learned.splits["train"]) == [*labelled, *REST]
    assert learned.splits["train"].targets is None
    assert learned.splits["test"] is dataset.splits["test"]
    assert learned.tokenizer is dataset.tokenizer
    assert learned.unlabelled is None, "so that nothing can add them twice"
    assert learned.shared["train"] == {"test": 0}


def test_without_the_setting_they_are_not_read() -> None:
    dataset = ImdbConfig(final=True).build()
    assert dataset.unlabelled is None
    assert dataset.left_out == {}
    assert "quiet" not in dataset.tokenizer.vocabulary.tokens
    assert LanguageModelConfig().adapted(dataset) is dataset


def test_a_part_of_the_labelled_texts_goes_with_all_unlabelled_ones() -> None:
    dataset = ImdbConfig(final=True, unlabelled=True, train_size=2).build()
    assert len(dataset.splits["train"]) == 2
    assert dataset.unlabelled is not None
    assert texts_of(dataset, dataset.unlabelled) == REST


def test_they_are_shown_with_what_was_left_out() -> None:
    shown = describe(ImdbConfig(final=True, unlabelled=True))["unlabelled"]
    assert shown == {"texts": {"sequences": 3, "tokens": 9, "unknown": 0.0, "left out, in test": 2}}
    assert describe(ImdbConfig(final=True))["unlabelled"] == {}


def test_an_archive_without_them_is_refused(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "b.tar.gz", {name: text.encode() for name, text in LABELLED.items()})
    with pytest.raises(
        UserError, match=r"must hold reviews without a label\. Got none; see 'data.unlabelled'"
    ):
        read_unlabelled(archive)


def test_unlabelled_texts_must_be_others_than_those_that_are_scored() -> None:
    with pytest.raises(UserError, match=r"must be others than.*Got 2 texts, and 'valid', 'test' have all"):
        leave_out(Corpus({"train": ["a"], "valid": ["b"], "test": ["c"]}, unlabelled=["c", "b"]))


def table(folder: Path) -> TableConfig:
    """Ten labelled texts, and unlabelled ones in a table of another format and in a text file."""
    rows = [f"film {name},{'good' if index % 2 else 'bad'}\n" for index, name in enumerate("abcdefghij")]
    (folder / "own.csv").write_text("review,stars\n" + "".join(rows))
    more = [{"id": 1, "review": "film one"}, {"id": 2, "review": "film two, two"}]
    (folder / "more.jsonl").write_text("".join(json.dumps(row) + "\n" for row in more))
    (folder / "lines.txt").write_text("film three\n\n  \nfilm a\nfilm b\nfilm c\nfilm d\nfilm e\n")
    files = [str(folder / "more.jsonl"), str(folder / "lines.txt")]
    settings = {"path": str(folder / "own.csv"), "unlabelled_path": files, "text_column": "review"}
    return parse(TableConfig, {"kind": "table", "label_column": "stars", **settings})


def test_a_table_takes_them_from_tables_and_text_files(tmp_path: Path) -> None:
    config = table(tmp_path)
    texts = config.read().texts
    scored = [*texts["valid"], *texts["test"]]
    given = ["film one", "film two, two", "film three", *(f"film {name}" for name in "abcde")]
    expected = [text for text in given if text not in scored]
    assert len(expected) < len(given), "so that something is left out"
    corpus = config.corpus()
    assert list(corpus.unlabelled) == expected
    assert corpus.unlabelled[2] == expected[2]
    left_out = {name: sum(text in texts[name] for text in given) for name in ("valid", "test")}
    assert corpus.left_out == left_out
    notes = " ".join(corpus.notes)
    assert f"2 unlabelled texts in {tmp_path / 'more.jsonl'}" in notes
    assert f"6 unlabelled texts in {tmp_path / 'lines.txt'}" in notes
    assert f"Of 8 unlabelled texts {sum(left_out.values())} " in notes
    words = Counter(" ".join([*texts["train"], *expected]).replace(",", "").split())
    assert sorted(config.build().tokenizer.vocabulary.tokens[4:]) == sorted(words)


def test_their_content_is_part_of_that_of_the_data(tmp_path: Path) -> None:
    config = table(tmp_path)
    before = config.content_hash()
    assert str(tmp_path / "lines.txt") in config.about().origin
    (tmp_path / "lines.txt").write_text("another text\n")
    assert config.content_hash() != before


def test_a_tokenizer_of_ones_own_learns_from_them(tmp_path: Path) -> None:
    (tmp_path / "tokens.py").write_text("def ends(text):\n    return [text[-1]]\n")
    own = {"kind": "import", "path": f"{tmp_path / 'tokens.py'}:ends"}
    config = parse(TableConfig, {**plain(table(tmp_path)), "tokenizer": own})
    tokens = config.build().tokenizer.vocabulary.tokens[4:]
    corpus = config.corpus()
    assert set(tokens) == {text[-1] for text in [*corpus.texts["train"], *corpus.unlabelled]}


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("none.txt", "\n \n", "none.txt must hold unlabelled texts. Got none."),
        ("other.csv", "id,text\n1,a\n", "other.csv must have a column 'review'"),
        ("bytes.txt", b"caf\xe9\n", "bytes.txt:1 must be text in UTF-8"),
    ],
)
def test_files_that_cannot_be_read_are_named(tmp_path: Path, name: str, content: Any, error: str) -> None:
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    config = table(tmp_path).model_copy(update={"unlabelled_path": (str(tmp_path / name),)})
    with pytest.raises(UserError, match=error):
        config.read()


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    config = table(tmp_path).model_copy(update={"unlabelled_path": (str(tmp_path / "line.txt"),)})
    with pytest.raises(UserError, match=r"line.txt must exist. Got no such file. Nearest: 'lines.txt'."):
        config.content_hash()
    with pytest.raises(UserError, match=r"must be a file. Got a folder"):
        config.model_copy(update={"unlabelled_path": (str(tmp_path),)}).content_hash()


@pytest.mark.data
@pytest.mark.slow
def test_reviews_of_imdb_that_are_in_the_test_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    config = ImdbConfig(unlabelled=True)
    corpus = config.read()
    test, unlabelled = corpus.texts["test"], corpus.unlabelled
    assert len(unlabelled) == 50_000
    known = set(unlabelled)
    assert sum(text in known for text in test) == 269
    scored = set(test)
    assert leave_out(corpus).left_out["test"] == sum(text in scored for text in unlabelled) == 270
