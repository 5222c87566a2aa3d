"""What every dataset and every tokenizer of the tables must keep."""

import itertools
import os
from pathlib import Path
from typing import Any

import numpy as np
import own_data
import pytest

from seqlab.data.data_kinds import BATCHING, DATASETS, TOKENIZERS
from seqlab.data.dataset import Corpus, Dataset, Split
from seqlab.data.dataset_config import DatasetConfig
from seqlab.data.ragged import Ragged
from seqlab.data.sources.examples import ExamplesConfig
from seqlab.data.sources.generated import GeneratedConfig
from seqlab.data.tokenizers.tokenizer import Tokenizer, TokenizerConfig, tokenizer_from
from seqlab.schema.config import Config, canonical, parse, plain
from seqlab.schema.errors import UserError

REAL = os.environ.get("SEQLAB_DATA", "")
SOURCES = {"imdb": [pytest.mark.slow], "ptb": [], "tiny_shakespeare": []}
"""Datasets read from source files, with their further marks; all others are made where they are."""
SMALL: dict[str, dict[str, Any]] = {
    "python_source": {"max_bytes": 300_000},
    "unicode_names": {"max_names": 2_000},
    "brackets": {"train": 300, "valid": 50, "test": 50},
    "ndfa": {"train": 300, "valid": 50, "test": 50},
    "dyck": {"train": 300, "valid": 50, "test": 50, "max_length": 20, "longer_max_length": 30, "longer": 30},
    "toy": {"train": 300, "valid": 50, "test": 50},
    "grammar": {"train": 300, "valid": 50, "test": 50},
    "parity": {"train": 300, "valid": 50, "test": 50},
    "tomita": {"train": 300, "valid": 50, "test": 50, "number": 4},
    "counting": {"train": 300, "valid": 50, "test": 50},
    "regular-expression": {"train": 300, "valid": 50, "test": 50, "pattern": "(ab|c)+"},
    # Enough that every label is in every split.
    "marked_addition": {"train": 2_000, "valid": 2_000, "test": 2_000},
    "adding": {"train": 300, "valid": 50, "test": 50, "length": 6},
    "adding_1997": {"train": 300, "valid": 50, "test": 50, "length": 20},
    "copy": {"train": 300, "valid": 50, "test": 50},
    "associative_recall": {"train": 300, "valid": 200, "test": 200},
    "temporal_order": {"train": 300, "valid": 50, "test": 50, "length": 30},
}
"""Settings that keep a dataset small here; a dataset without them is taken as it is."""
OWN: dict[str, tuple[str, str]] = {
    "table": ("own.csv", "text,label\n" + "".join(f"word{i} is {i % 3},{i % 3}\n" for i in range(60))),
    "grammar": ("own.toml", '[rules]\ns = ["a s b", "a b", "c"]\n'),
    "text": ("own.txt", "".join(f"This is line {index} of a text.\n" for index in range(200))),
    "import": (
        "own_texts.py:texts",
        "def texts():\n    return [(f'word{i} is {i % 3}', i % 3) for i in range(60)]\n",
    ),
}
"""Datasets of the user's own files: the file's name, of code with a name in it, and what it holds here."""
LOSSLESS = {"characters", "bytes", "bpe"}
TEXTS = ["the lower the better\n", "a wider one, the newest one\n", "Größe 42!\n"] * 3


def marked(kind: str) -> Any:
    skip = pytest.mark.skipif(not REAL, reason="needs the source files: set SEQLAB_DATA to their folder")
    return pytest.param(kind, marks=[pytest.mark.data, skip, *SOURCES[kind]] if kind in SOURCES else [])


EVERY_DATASET = pytest.mark.parametrize("kind", [marked(kind) for kind in DATASETS])
EVERY_TOKENIZER = pytest.mark.parametrize("kind", [kind for kind in TOKENIZERS if kind != "numbers"])
"""Those of texts; what numbers keep is in `tests/data/tokenizers/test_numbers.py`."""
EITHER_WAY = pytest.mark.parametrize("running", [False, True])


@pytest.fixture(scope="module")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def cache(shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQLAB_CACHE", str(shared_cache))


def config_of(kind: str) -> DatasetConfig:
    settings = SMALL.get(kind, {})
    if kind in OWN:
        name, content = OWN[kind]
        folder = Path(os.environ["SEQLAB_CACHE"]).parent
        path = folder / name.partition(":")[0]
        if not path.exists():
            path.write_text(content, encoding="utf-8")
        settings = {**settings, "path": str(folder / name)}
    return parse(DATASETS[kind], {"kind": kind, **settings})


def tokenizer_config(kind: str) -> TokenizerConfig:
    own = {"path": f"{own_data.__file__}:words"} if kind == "import" else {}
    return parse(TOKENIZERS[kind], {"kind": kind, **own})


def trained(kind: str, *, running: bool = False) -> Tokenizer:
    return tokenizer_config(kind).train(TEXTS, running=running)


def pieces(split: Split) -> list[bytes]:
    return [ids.tobytes() for ids in split.text]


def arrays(dataset: Dataset) -> dict[str, list[Any]]:
    return {
        name: [
            split.text.tokens.tobytes(),
            split.text.offsets.tobytes(),
            split.source is not None and [split.source.tokens.tobytes(), split.source.offsets.tobytes()],
            split.targets is not None and (split.targets.dtype, split.targets.tobytes()),
            split.running,
        ]
        for name, split in dataset.splits.items()
    }


@EVERY_DATASET
def test_same_settings_same_content(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    first = config_of(kind).build()
    again = config_of(kind).build()
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path))
    fresh = config_of(kind).build()
    assert first.content_hash == again.content_hash == fresh.content_hash
    assert arrays(first) == arrays(again) == arrays(fresh)
    assert first.tokenizer.vocabulary == again.tokenizer.vocabulary == fresh.tokenizer.vocabulary


@EVERY_DATASET
def test_arrays_are_what_they_must_be(kind: str):
    dataset = config_of(kind).build()
    assert {"train", "test"} <= set(dataset.splits) <= {"train", "valid", "test", "longer"}
    for split in dataset.splits.values():
        check_ids(split.text, dataset.tokenizer)
        assert (split.source is None) == (dataset.source_tokenizer is None)
        if split.source is not None and dataset.source_tokenizer is not None:
            check_ids(split.source, dataset.source_tokenizer)
            assert len(split.source) == len(split)
        assert len(split) == 1 or not split.running
        if split.targets is None:
            assert dataset.labels == ()
            continue
        assert len(split.targets) == len(split)
        if dataset.labels:
            assert split.targets.dtype == np.int64
            assert np.unique(split.targets).tolist() == list(range(len(dataset.labels)))
        else:
            assert split.targets.dtype == np.float64
            assert np.isfinite(split.targets).all()


def check_ids(text: Ragged, tokenizer: Tokenizer) -> None:
    """Sequences of known tokens, none of them special."""
    assert (text.tokens.dtype, text.offsets.dtype) == (np.int32, np.int64)
    assert len(text) >= 1
    assert text.offsets[0] == 0
    assert text.offsets[-1] == len(text.tokens) > 0
    assert (text.lengths >= 0).all()
    assert text.tokens.min() >= 0
    assert text.tokens.max() < len(tokenizer.vocabulary)
    assert not np.isin(text.tokens, list(tokenizer.vocabulary.special)).any()


@EVERY_DATASET
def test_a_smaller_training_split_is_a_part_of_a_larger_one(kind: str):
    config = config_of(kind)
    whole = config.read()
    sizes = (40, 45) if not whole.running else (1_000, 1_001)
    smaller, larger = (parse(DATASETS[kind], {**plain(config), "train_size": size}) for size in sizes)
    small, large = smaller.build(), larger.build()
    assert small.content_hash == large.content_hash == config.content_hash()
    assert set(small.splits) == set(whole.texts)
    parts = [smaller.corpus(), larger.corpus(), whole]
    if whole.running:
        beginnings = [[whole.texts["train"][0][:size]] for size in sizes]
        assert [list(part.texts["train"]) for part in parts[:2]] == beginnings
        return
    assert (len(small.splits["train"]), len(large.splits["train"])) == sizes
    pairs = [labelled(part) for part in parts]
    assert (len(pairs[0]), len(pairs[1])) == sizes
    # Each is the next one without some of its examples, in the same order.
    for part, of in itertools.pairwise(pairs):
        rest = iter(of)
        assert all(pair in rest for pair in part)
    for name, others in whole.texts.items():
        if name != "train":
            assert list(parts[0].texts[name]) == list(others)
            assert len(small.splits[name]) == len(others)


def labelled(corpus: Corpus) -> list[tuple[str, Any]]:
    """The training examples."""
    texts = corpus.texts["train"]
    return list(zip(texts, corpus.targets.get("train", [None] * len(texts)), strict=True))


@EVERY_DATASET
def test_a_training_split_cannot_grow(kind: str):
    config = config_of(kind)
    whole = config.read()
    texts = whole.texts["train"]
    most = len(texts[0]) if whole.running else len(texts)
    with pytest.raises(UserError, match=r"'data\.train_size' must be at most .* Nearest: (\d+)\.") as error:
        parse(DATASETS[kind], {**plain(config), "train_size": most + 1}).build()
    nearest = int(str(error.value).rpartition(": ")[2].rstrip("."))
    assert nearest <= most
    assert nearest == most or config.even_labels
    parse(DATASETS[kind], {**plain(config), "train_size": nearest}).corpus()


@EVERY_DATASET
def test_every_token_of_the_vocabulary_is_of_the_training_split(kind: str):
    dataset = config_of(kind).build()
    vocabulary = dataset.tokenizer.vocabulary
    if vocabulary.numbers is not None:
        return  # every number there can be, whatever the texts hold
    assert vocabulary.start is not None
    if config_of(kind).tokenizer.kind != "bytes":
        missing = set(range(len(vocabulary))) - set(np.unique(dataset.splits["train"].text.tokens).tolist())
        assert missing <= vocabulary.special | {vocabulary.unknown}


@pytest.mark.parametrize(
    "kind",
    [marked(kind) for kind in DATASETS if not issubclass(DATASETS[kind], GeneratedConfig | ExamplesConfig)],
)
def test_splits_are_disjoint_unless_they_are_samples(kind: str):
    dataset = config_of(kind).build()
    if "valid" in dataset.splits:
        # Texts that differ in what the tokenizer drops may still be equal in their tokens.
        valid = pieces(dataset.splits["valid"])
        train = set(pieces(dataset.splits["train"]))
        assert sum(piece in train for piece in valid) <= len(valid) // 1000


@EVERY_DATASET
def test_origin_and_licence_are_given(kind: str):
    about = config_of(kind).about()
    assert about.description
    assert about.origin
    assert about.licence


@pytest.mark.parametrize(
    "cls",
    [table[kind] for table in (DATASETS, TOKENIZERS, BATCHING) for kind in table],
    ids=lambda cls: cls.__name__,
)
def test_every_setting_is_described_and_comes_back(cls: type[Config]):
    for name, field in cls.model_fields.items():
        assert field.description, name
    assert cls.model_fields["kind"].default in (set(DATASETS) | set(TOKENIZERS) | set(BATCHING))
    kind = cls.model_fields["kind"].default
    wanted = {**SMALL.get(kind, {}), **({"path": OWN[kind][0]} if kind in OWN else {})}
    config = parse(cls, {"kind": kind, **wanted})
    assert canonical(parse(cls, plain(config))) == canonical(config)


@EVERY_TOKENIZER
@EITHER_WAY
def test_decoding_gives_the_text_back(kind: str, running: bool):
    tokenizer = trained(kind, running=running)
    for text in TEXTS:
        decoded = tokenizer.decode(tokenizer.encode(text))
        assert tokenizer.encode(decoded) == tokenizer.encode(text)
        if kind in LOSSLESS:
            assert decoded == text
        assert ".unk" not in decoded


@EVERY_TOKENIZER
@EITHER_WAY
def test_ids_are_in_the_vocabulary(kind: str, running: bool):
    tokenizer = trained(kind, running=running)
    tokens, offsets = tokenizer.encode_batch([*TEXTS, "", "unseen ☂ words"])
    assert len(offsets) == len(TEXTS) + 3
    assert ((tokens >= 0) & (tokens < len(tokenizer.vocabulary))).all()
    assert not set(tokens.tolist()) & tokenizer.vocabulary.special
    assert len(set(tokenizer.vocabulary.tokens)) == len(tokenizer.vocabulary)


@EVERY_TOKENIZER
@EITHER_WAY
def test_a_batch_is_its_texts_one_by_one(kind: str, running: bool):
    tokenizer = trained(kind, running=running)
    tokens, offsets = tokenizer.encode_batch(TEXTS)
    for text, begin, end in zip(TEXTS, offsets[:-1], offsets[1:], strict=True):
        assert tokens[begin:end].tolist() == tokenizer.encode(text)


@EVERY_TOKENIZER
@EITHER_WAY
def test_a_spec_gives_the_same_tokenizer(kind: str, running: bool):
    tokenizer = trained(kind, running=running)
    again = tokenizer_from(tokenizer.spec(), tokenizer_config(kind))
    assert tokenizer.spec()["kind"] == kind
    assert again.vocabulary == tokenizer.vocabulary
    assert again.encode_batch(TEXTS).tokens.tolist() == tokenizer.encode_batch(TEXTS).tokens.tolist()


@EVERY_TOKENIZER
def test_sequences_have_a_start_and_an_end_running_text_has_none_of_its_own(kind: str):
    sequences = trained(kind).vocabulary
    assert None not in (sequences.pad, sequences.start, sequences.end)
    assert sequences.special == {sequences.id(".pad"), sequences.id(".start"), sequences.id(".end")}
    running = trained(kind, running=True).vocabulary
    assert (running.pad, running.end) == (None, None)
    assert running.start is not None


@EVERY_TOKENIZER
def test_training_twice_gives_the_same(kind: str):
    assert trained(kind).spec() == trained(kind).spec()
