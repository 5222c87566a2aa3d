import hashlib
from pathlib import Path

import pytest

from seqlab.data.dataset import Dataset
from seqlab.data.sources import ptb
from seqlab.data.sources.ptb import PtbConfig, spell
from seqlab.data.sources.text_files import read_text

LINES = {
    "train": " no it was n't \n but <unk> was \n",
    "valid": " it was \n",
    "test": " <unk> \n it \n",
}


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ptb").mkdir()
    for split, text in LINES.items():
        (tmp_path / "ptb" / f"ptb.{split}.txt").write_text(text)
    checksums = {
        split: f"sha256:{hashlib.sha256(text.encode()).hexdigest()}" for split, text in LINES.items()
    }
    monkeypatch.setattr(ptb, "_CHECKSUMS", checksums)
    monkeypatch.setenv("SEQLAB_DATA", str(tmp_path))


def tokens(dataset: Dataset, split: str) -> list[str]:
    return dataset.tokenizer.vocabulary.names(dataset.splits[split].text.tokens.tolist())


def test_spelling():
    assert spell(" it 's \n a \n") == "i t _ ' s\na\n"


@pytest.mark.usefixtures("files")
def test_words():
    dataset = PtbConfig().build()
    assert tokens(dataset, "train") == ["no", "it", "was", "n't", "<eos>", "but", "<unk>", "was", "<eos>"]
    vocabulary = dataset.tokenizer.vocabulary
    assert vocabulary.tokens == ("<eos>", "was", "<unk>", "but", "it", "n't", "no")
    assert (vocabulary.start, vocabulary.end, vocabulary.pad, vocabulary.unknown) == (0, None, None, 2)
    assert [len(split) for split in dataset.splits.values()] == [1, 1, 1]


@pytest.mark.usefixtures("files")
def test_characters():
    dataset = PtbConfig(level="character").build()
    assert tokens(dataset, "valid") == [*"it_was", "<eos>"]
    assert tokens(dataset, "test") == [*"<unk>", "<eos>", *"it", "<eos>"]
    assert dataset.content_hash == PtbConfig().content_hash()


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.usefixtures("real_data")
def test_the_real_text():
    words = PtbConfig().build()
    assert {name: len(split.text.tokens) for name, split in words.splits.items()} == {
        "train": 929_589,
        "valid": 73_760,
        "test": 82_430,
    }
    vocabulary = words.tokenizer.vocabulary
    assert len(vocabulary) == 10_000
    assert vocabulary.start == vocabulary.id("<eos>")
    for name, split in words.splits.items():
        text = read_text(ptb._path(name))
        assert words.tokenizer.decode(split.text.tokens.tolist()) == "".join(
            f"{line.strip()}\n" for line in text.splitlines()
        )
    characters = PtbConfig(level="character").build()
    assert [len(split.text.tokens) for split in characters.splits.values()] == [5_017_482, 393_042, 442_423]
    unknown = characters.tokenizer.vocabulary.unknown
    assert not any((split.text.tokens == unknown).any() for split in characters.splits.values())
