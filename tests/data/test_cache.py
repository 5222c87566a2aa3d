import itertools
import logging
import mmap
import resource
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab.data import encoded_files
from seqlab.data.dataset import About, Corpus, Dataset, Limit
from seqlab.data.dataset_config import DatasetConfig
from seqlab.data.encode import cut
from seqlab.data.tokenizers.tokenizer import Encoded, offsets_of
from seqlab.data.tokenizers.words import WordsConfig
from seqlab.schema.errors import UserError, WorkError

LENGTHS = st.lists(st.integers(0, 6), min_size=1, max_size=6)


class WordsDataset(DatasetConfig):
    """Four texts in two classes, and a count of how often they were read."""

    kind: Literal["words-dataset"] = "words-dataset"
    """Name of the dataset."""
    tokenizer: WordsConfig = WordsConfig()
    """How texts become tokens."""
    train: tuple[str, ...] = ("a b c", "c b", "c")
    """Texts."""
    max_length: int | None = None
    """Tokens."""
    content: str = "0"
    """Stands for the hash of a source."""

    def about(self) -> About:
        return About("test", "nowhere", "none")

    def content_hash(self) -> str:
        return self.content

    def read(self) -> Corpus:
        READS.append(self.content)
        labels = {"train": [i % 2 for i in range(len(self.train))], "test": [1]}
        texts = {"train": self.train, "test": ("b x",)}
        return Corpus(texts, labels, ("no", "yes"), limit=Limit(self.max_length))


class RacedDataset(WordsDataset):
    """Another process finishes the same folder while this one is reading."""

    def read(self) -> Corpus:
        if len(READS) == 0:
            READS.append("outer")
            self.build()
        return super().read()


READS: list[str] = []


@pytest.fixture(autouse=True)
def no_reads() -> None:
    READS.clear()


def content(dataset: Dataset) -> Any:
    return {
        name: (
            split.text.tokens.tolist(),
            split.text.offsets.tolist(),
            split.targets.tolist() if split.targets is not None else 0,
        )
        for name, split in dataset.splits.items()
    }


def the_folder(cache: Path) -> Path:
    (folder,) = (cache / "encoded").iterdir()
    return folder


def test_what_is_encoded_is_what_is_loaded():
    dataset = WordsDataset().build()
    assert content(dataset) == {
        "train": ([6, 5, 4, 4, 5, 4], [0, 3, 5, 6], [0, 1, 0]),
        "test": ([5, 3], [0, 2], [1]),
    }
    assert dataset.labels == ("no", "yes")
    assert dataset.content_hash == "0"
    assert content(WordsDataset().build()) == content(dataset)
    assert READS == ["0"]


def test_arrays_are_memory_mapped_and_cannot_be_written():
    tokens = WordsDataset().build().splits["train"].text.tokens
    assert type(tokens) is np.ndarray
    base: Any = tokens
    while isinstance(base, np.ndarray):
        base = base.base
    assert isinstance(base, mmap.mmap)
    with pytest.raises(ValueError, match="read-only"):
        tokens[0] = 1


def test_settings_and_sources_have_folders_of_their_own(cache: Path):
    for config in (WordsDataset(), WordsDataset(content="1"), WordsDataset(max_length=1)):
        config.build()
    assert len(list((cache / "encoded").iterdir())) == 3


def test_texts_are_cut_after_the_vocabulary_was_built():
    dataset = WordsDataset(max_length=1).build()
    assert dataset.splits["train"].text.tokens.tolist() == [6, 4, 4]
    assert "b" in dataset.tokenizer.vocabulary.ids


@given(LENGTHS, st.integers(1, 7))
def test_cutting_keeps_the_first_or_the_last_tokens(lengths: list[int], longest: int):
    offsets = offsets_of(lengths)
    encoded = Encoded(np.arange(offsets[-1], dtype=np.int32), offsets)
    rows = [encoded.tokens[b:e].tolist() for b, e in itertools.pairwise(offsets)]
    for (tokens, ends), part in (
        (cut(encoded, longest, "first"), slice(None, longest)),
        (cut(encoded, longest, "last"), slice(-longest, None)),
    ):
        kept = [tokens[b:e].tolist() for b, e in itertools.pairwise(ends)]
        assert kept == [row[part] for row in rows]


@pytest.mark.parametrize(
    "damage", ["truncated", "changed", "missing", "emptied", "meta", "no meta", "swapped"]
)
def test_a_damaged_folder_is_encoded_anew_and_said(
    cache: Path, caplog: pytest.LogCaptureFixture, damage: str
):
    expected = content(WordsDataset().build())
    folder = the_folder(cache)
    tokens, meta = folder / "train.tokens.npy", folder / "meta.json"
    data = tokens.read_bytes()
    match damage:
        case "truncated":
            tokens.write_bytes(data[:-3])
        case "changed":
            tokens.write_bytes(data[:-1] + b"\x07")
        case "missing":
            tokens.unlink()
        case "emptied":
            tokens.write_bytes(b"")
        case "meta":
            meta.write_text(meta.read_text()[:-9])
        case "no meta":
            meta.unlink()
        case _:
            meta.write_text("[]")
    with caplog.at_level(logging.WARNING):
        assert content(WordsDataset().build()) == expected
    assert "is damaged" in caplog.text
    assert READS == ["0", "0"]


def test_who_comes_second_uses_the_first_ones_folder(cache: Path):
    dataset = RacedDataset().build()
    assert READS == ["outer", "0", "0"]
    assert dataset.splits["train"].text.tokens.tolist() == [6, 5, 4, 4, 5, 4]
    assert [path.name for path in (cache / "encoded").iterdir()] == [the_folder(cache).name]


def test_a_cache_that_cannot_be_written_is_said(cache: Path):
    cache.mkdir(parents=True)
    (cache / "encoded").write_text("a file is here")
    with pytest.raises(WorkError, match=r"cache folder must be writable; \$SEQLAB_CACHE names another one"):
        WordsDataset().build()


def test_a_file_is_no_cache(cache: Path):
    cache.parent.mkdir(exist_ok=True)
    cache.write_text("a file is here")
    with pytest.raises(UserError, match=r"\$SEQLAB_CACHE must name a folder"):
        WordsDataset().build()


def test_a_failed_write_leaves_nothing_behind(cache: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(encoded_files, "_save", full)
    with pytest.raises(WorkError, match="No space left"):
        WordsDataset().build()
    assert list((cache / "encoded").iterdir()) == []


@pytest.mark.parametrize("limit", [1_000, 48_100])
def test_a_full_disk_is_named_as_such(cache: Path, limit: int):
    """While texts are encoded, and while arrays are written that are larger than their tokens."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises(WorkError, match="File too large"):
            WordsDataset(train=("a b",) * 6_000).build()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list((cache / "encoded").iterdir()) == []


@pytest.mark.parametrize("texts", [(), ("",)])
def test_an_empty_dataset_is_an_error(texts: tuple[str, ...]):
    with pytest.raises(UserError, match=r"must hold text in every split\. Got an empty 'train'"):
        WordsDataset(train=texts).build()


def test_a_dataset_without_tokens_is_an_error():
    with pytest.raises(UserError, match="Tokenizer 'words' found none in 'train'"):
        WordsDataset(train=("42!",)).build()
