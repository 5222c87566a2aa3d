"""Encoded datasets on disk: arrays as .npy files, opened memory-mapped, and one JSON file beside them.

A folder is named after everything its content depends on, appears only when it is complete, and is never
changed; see `cache_entry`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import os
import re
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, ClassVar, Literal, NamedTuple, Protocol

import numpy as np
from numpy.lib import format as numpy_format
from numpy.typing import NDArray
from pydantic import with_config
from typing_extensions import TypedDict

from seqlab.data.cache_entry import check_entry, remove_folder, write_entry
from seqlab.data.dataset import About, Corpus, Dataset, Limit, Split
from seqlab.data.fetch import cache_folder, cache_lock, writing
from seqlab.data.ragged import Ragged
from seqlab.data.shared_texts import Keys, text_keys
from seqlab.data.split_notes import split_notes
from seqlab.data.tokenizers.tokenizer import Encoded, Tokenizer, TokenizerConfig, parts, tokenizer_from
from seqlab.runs.typed_json import read_text
from seqlab.schema.errors import UserError, WorkError
from seqlab.schema.json_shapes import EXACT, Count, parse_json
from seqlab.schema.visible import visible

ENCODING = 8
"""Version of a folder's content; raised when the same settings and sources give another one than before."""
CHUNK, CHARACTERS = 2_000, 1 << 22
"""Texts that are in memory together while they are encoded, and their characters unless it is one text."""

_log = logging.getLogger(__name__)
_META = "meta.json"
_UNLABELLED = "unlabelled"
"""What the files of the unlabelled texts begin with, as those of a split begin with its name."""
_ENTRY = re.compile(r".+-[0-9a-f]{64}")
_BLOCK = 1 << 20  # characters hashed together


class EncodableConfig(Protocol):
    """What the cache asks of a dataset's settings; see `DatasetConfig`."""

    @property
    def kind(self) -> str:
        """Name of the dataset."""
        ...

    @property
    def tokenizer(self) -> TokenizerConfig:
        """How texts become tokens."""
        ...

    if_changed: ClassVar[str]
    """What its user can do where the source changed while it was read."""

    def source_tokenizer_config(self) -> TokenizerConfig:
        """How sources become tokens."""
        ...

    def about(self) -> About:
        """Origin and licence."""
        ...

    def content_hash(self) -> str:
        """SHA-256 of the sources."""
        ...

    def corpus(self) -> Corpus:
        """The texts of every split."""
        ...


def load_or_encode(config: EncodableConfig, settings: str) -> Dataset:
    """The encoded dataset, from the cache, or read, encoded and put there.

    Args:
        config: of the dataset.
        settings: all of them as one text, part of the folder's name.

    Raises:
        UserError: a split holds nothing, or the source is not what it must be.
        WorkError: the cache folder cannot be written, or the source changed while it was read.
    """
    content = config.content_hash()
    folder = entry_path(config.kind, settings, content)
    if os.path.lexists(folder):
        try:
            return _load(folder, config, content)
        except Exception as error:  # whatever is wrong with it, it can be encoded again
            _log.warning("%s is damaged (%s) and is encoded again.", folder, error)
    try:
        encoded = encode(config)
    except Exception:
        _check_unchanged(config, content)  # which would explain the error
        raise
    _check_unchanged(config, content)
    # With right checksums, too, it may be none that can be read.
    write_entry(folder, lambda empty: _fill(empty, encoded), lambda other: _load(other, config, content))
    return _load(folder, config, content)


def entry_path(kind: str, settings: str, content: str) -> Path:
    """The folder of an encoded dataset, whether it exists or not.

    Args:
        kind: of the dataset.
        settings: all of them as one text.
        content: SHA-256 of its sources.
    """
    return _all_entries() / f"{kind}-{_key(settings, content)}"


def entries() -> list[Path]:
    """The folders of all encoded datasets."""
    folder = _all_entries()
    # What a link leads to belongs to somebody else.
    if folder.is_symlink() or not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if _ENTRY.fullmatch(path.name) and not path.is_symlink())


def remove_entry(folder: Path) -> None:
    """Delete an encoded dataset; a process that has opened it keeps it.

    Raises:
        WorkError: another process writes the cache, or it cannot be written.
    """
    with cache_lock(_all_entries().name), writing(folder.parent):
        remove_folder(folder)


def _all_entries() -> Path:
    return cache_folder() / "encoded"


def _check_unchanged(config: EncodableConfig, content: str) -> None:
    if config.content_hash() != content:
        raise WorkError(
            f"The source of {config.kind!r} must not change while it is read. Got other content after "
            f"reading than before. Nothing was kept. {config.if_changed}"
        )


@with_config(EXACT)
class _Meta(TypedDict):
    """What a folder says of its arrays; the last four by split, `splits` the names of its arrays.

    The unlabelled texts are listed as a split. left_out: see `Dataset`.
    """

    tokenizer: dict[str, Any]
    source_tokenizer: dict[str, Any] | None
    labels: list[str]
    limit: Limit
    notes: list[str]
    left_out: dict[str, Count]
    running: dict[str, bool]
    splits: dict[str, list[str]]
    texts_sha256: dict[str, str]


class Content(NamedTuple):
    """What a folder of the cache contains; the unlabelled texts are among the splits."""

    tokenizer: Tokenizer
    source_tokenizer: Tokenizer | None
    splits: Mapping[str, Split]
    labels: tuple[str, ...]
    limit: Limit
    notes: tuple[str, ...]
    left_out: Mapping[str, int]


def encode(config: EncodableConfig) -> Content:
    """Read a dataset, train its tokenizer on the split `train` and unlabelled texts, and encode all of it.

    Raises:
        UserError: a split holds no text or no token.
    """
    corpus = config.corpus()
    for name, texts in corpus.texts.items():
        if not any(texts):
            raise UserError(f"Dataset {config.kind!r} must hold text in every split. Got an empty {name!r}.")
    tokenizer = config.tokenizer.train(corpus.vocabulary_texts, running=corpus.running)
    source_tokenizer = None
    if corpus.sources:
        source_tokenizer = config.source_tokenizer_config().train(corpus.sources["train"])
    if corpus.unlabelled:
        corpus = dataclasses.replace(corpus, texts={**corpus.texts, _UNLABELLED: corpus.unlabelled})
    splits = {name: _split(corpus, name, tokenizer, source_tokenizer) for name in corpus.texts}
    for name, split in splits.items():
        if not len(split.text.tokens):
            raise UserError(
                f"Dataset {config.kind!r} must hold tokens in every split. "
                f"Tokenizer {config.tokenizer.kind!r} found none in {name!r}."
            )
    # Names of files need not be UTF-8, as which notes are stored.
    notes = tuple(map(visible, (*corpus.notes, *split_notes(splits, drawn=corpus.drawn))))
    return Content(
        tokenizer, source_tokenizer, splits, corpus.label_names, corpus.limit, notes, corpus.left_out
    )


def _split(corpus: Corpus, name: str, tokenizer: Tokenizer, source_tokenizer: Tokenizer | None) -> Split:
    digest, keys = hashlib.sha256(), list[Keys]()

    def hashed(texts: list[str]) -> None:
        _hash(texts, digest.update)
        keys.append(text_keys(texts))

    text = _encoded(corpus.texts[name], tokenizer, corpus.limit, hashed)
    source = None
    if source_tokenizer is not None:
        source = _encoded(
            corpus.sources[name],
            source_tokenizer,
            corpus.limit,
            lambda texts: _hash(texts, digest.update),
        )
        assert len(source) == len(text), "one source per text"
    values, targets = corpus.targets.get(name), None
    if values is not None:
        assert len(values) == len(text), "one target per text"
        targets = np.array(values, dtype=np.int64 if corpus.label_names else np.float64)
    hashes = None if corpus.running else np.concatenate(keys)
    return Split(text, source, targets, corpus.running, digest.hexdigest(), hashes)


def _encoded(
    texts: Iterable[str], tokenizer: Tokenizer, limit: Limit, hashed: Callable[[list[str]], object]
) -> Ragged:
    """The encoded texts; their tokens are in a file without a name, which is deleted with the array."""
    lengths = [np.zeros(0, np.int64)]
    folder = _all_entries()
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            for chunk in _chunks(texts):
                hashed(chunk)
                for encoded in _encoded_chunk(chunk, tokenizer, limit):
                    # Not `tofile`, which does not report a full disk.
                    file.write(np.ascontiguousarray(encoded.tokens, dtype=np.int32).data)
                    lengths.append(np.diff(encoded.offsets))
            tokens = _mapped(file)
    return Ragged(tokens, np.cumsum(np.concatenate([[0], *lengths]), dtype=np.int64))


def _chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    """The texts in groups that are not too large for memory."""
    chunk, characters = list[str](), 0
    for text in texts:
        if chunk and (len(chunk) == CHUNK or characters + len(text) > CHARACTERS):
            yield chunk
            chunk, characters = [], 0
        chunk.append(text)
        characters += len(text)
    if chunk:
        yield chunk


def _encoded_chunk(texts: list[str], tokenizer: Tokenizer, limit: Limit) -> Iterator[Encoded]:
    """The encoded texts; a long one part by part, as far as its tokens are kept."""
    if len(texts) > 1 or not tokenizer.encodes_parts:
        encoded = tokenizer.encode_batch(texts)
        yield encoded if limit.max_length is None else cut(encoded, limit.max_length, limit.keep)
        return
    kept = _kept_parts((tokenizer.encode_batch([part]).tokens for part in parts(texts[0])), limit)
    tokens = np.concatenate([np.zeros(0, np.int32), *kept])
    yield Encoded(tokens, np.array([0, len(tokens)], dtype=np.int64))


def _kept_parts(encoded: Iterator[NDArray[np.int32]], limit: Limit) -> list[NDArray[np.int32]]:
    """The tokens of a text's parts that are kept; those after the last kept one are not asked for."""
    kept, most = deque[NDArray[np.int32]](), limit.max_length
    count = 0
    for tokens in encoded:
        kept.append(tokens)
        count += len(tokens)
        if most is None or count <= most:
            continue
        if limit.keep == "first":
            kept[-1] = tokens[: len(tokens) - (count - most)]
            break
        while count - len(kept[0]) >= most:
            count -= len(kept.popleft())
        kept[0] = kept[0][count - most :]
        count = most
    return list(kept)


def _hash(texts: list[str], hashed: Callable[[bytes], object]) -> None:
    """Texts with the length of each, so that other ones have other bytes."""
    for text in texts:
        hashed(f"{len(text)} ".encode())
        for begin in range(0, len(text), _BLOCK):
            hashed(text[begin : begin + _BLOCK].encode("utf-8", "surrogatepass"))


def _mapped(file: IO[bytes]) -> NDArray[np.int32]:
    file.flush()
    if not file.tell():
        return np.zeros(0, np.int32)  # nothing cannot be mapped
    return np.asarray(np.memmap(file, dtype=np.int32, mode="r"))


def cut(encoded: Encoded, max_length: int, keep: Literal["first", "last"]) -> Encoded:
    """Only the first or the last `max_length` tokens of each text.

    >>> tokens, offsets = np.arange(5, dtype=np.int32), np.array([0, 3, 5])
    >>> cut(Encoded(tokens, offsets), 2, "last").tokens.tolist()
    [1, 2, 3, 4]
    """
    lengths = np.diff(encoded.offsets)
    # It may be larger than an integer of numpy.
    max_length = min(max_length, int(lengths.max(initial=0)))
    begins = np.repeat(encoded.offsets[:-1], lengths)
    positions = np.arange(len(encoded.tokens)) - begins
    if keep == "last":
        positions = np.repeat(lengths, lengths) - 1 - positions
    offsets = np.concatenate([[0], np.cumsum(np.minimum(lengths, max_length))])
    return Encoded(encoded.tokens[positions < max_length], offsets.astype(np.int64))


def _key(settings: str, content: str) -> str:
    return hashlib.sha256(f"{settings}\n{content}\n{ENCODING}".encode()).hexdigest()


def _arrays(split: Split) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {"tokens": split.text.tokens, "offsets": split.text.offsets}
    if split.source is not None:
        arrays |= {"source_tokens": split.source.tokens, "source_offsets": split.source.offsets}
    if split.targets is not None:
        arrays["targets"] = split.targets
    if split.keys is not None:
        arrays["keys"] = split.keys
    return arrays


def _fill(folder: Path, content: Content) -> None:
    """Write the arrays and the description of encoded texts to a folder."""
    for name, split in content.splits.items():
        for key, array in _arrays(split).items():
            _save(folder / f"{name}.{key}.npy", array)
    meta = {
        "tokenizer": content.tokenizer.spec(),
        "source_tokenizer": content.source_tokenizer and content.source_tokenizer.spec(),
        "running": {name: split.running for name, split in content.splits.items()},
        "labels": content.labels,
        "limit": dataclasses.asdict(content.limit),
        "notes": content.notes,
        "left_out": dict(content.left_out),
        "splits": {name: list(_arrays(split)) for name, split in content.splits.items()},
        "texts_sha256": {name: split.texts_sha256 for name, split in content.splits.items()},
    }
    (folder / _META).write_text(json.dumps(meta), encoding="utf-8")


def _save(path: Path, array: NDArray[Any]) -> None:
    """Write an array as `numpy.save` does, which does not report why it failed, such as a full disk."""
    with path.open("wb") as file:
        numpy_format.write_array_header_1_0(file, numpy_format.header_data_from_array_1_0(array))
        file.write(np.ascontiguousarray(array).data)


def _load(folder: Path, config: EncodableConfig, content: str) -> Dataset:
    check_entry(folder)
    meta = parse_json(read_text(folder / _META), _Meta, folder / _META)
    source_tokenizer = meta["source_tokenizer"]
    splits = {name: _load_split(folder, name, meta) for name in meta["splits"]}
    unlabelled = splits.pop(_UNLABELLED, None)
    dataset = Dataset(
        name=config.kind,
        splits=splits,
        tokenizer=tokenizer_from(meta["tokenizer"], config.tokenizer),
        labels=tuple(meta["labels"]),
        limit=meta["limit"],
        content_hash=content,
        about=config.about(),
        notes=tuple(meta["notes"]),
        source_tokenizer=None
        if source_tokenizer is None
        else tokenizer_from(source_tokenizer, config.source_tokenizer_config()),
        unlabelled=unlabelled,
        left_out=meta["left_out"],
    )
    for name, split in {**splits, **({} if unlabelled is None else {_UNLABELLED: unlabelled})}.items():
        _check_values(split, name, dataset)
    return dataset


def _check_values(split: Split, name: str, dataset: Dataset) -> None:
    """Make sure that tokens are of the vocabulary, and targets of the labels.

    Raises:
        ValueError: they are not.
    """
    encoded: list[tuple[NDArray[Any], int]] = [(split.text.tokens, len(dataset.tokenizer.vocabulary))]
    if split.source is not None and dataset.source_tokenizer is not None:
        encoded.append((split.source.tokens, len(dataset.source_tokenizer.vocabulary)))
    if split.targets is not None and dataset.labels:
        encoded.append((split.targets, len(dataset.labels)))
    for ids, count in encoded:
        if ids.dtype.kind != "i" or (len(ids) and not 0 <= ids.min() <= ids.max() < count):
            raise ValueError(f"{name!r} has ids that are not below {count}")


def _load_split(folder: Path, name: str, meta: _Meta) -> Split:
    # As plain arrays: indexing a numpy.memmap is slower.
    arrays: dict[str, NDArray[Any]] = {
        key: np.asarray(np.load(folder / f"{name}.{key}.npy", mmap_mode="r", allow_pickle=False))
        for key in meta["splits"][name]
    }
    source = None
    if "source_tokens" in arrays:
        source = Ragged(arrays["source_tokens"], arrays["source_offsets"])
    split = Split(
        Ragged(arrays["tokens"], arrays["offsets"]),
        source,
        arrays.get("targets"),
        meta["running"][name],
        meta["texts_sha256"][name],
        arrays.get("keys"),
    )
    _check_split(split, name)
    return split


def _check_split(split: Split, name: str) -> None:
    """Make sure that the arrays of a split belong together.

    Raises:
        ValueError: they do not.
    """
    texts = [split.text] if split.source is None else [split.text, split.source]
    for text in texts:
        offsets, tokens = text.offsets, text.tokens
        types = (offsets.dtype, tokens.dtype) == (np.int64, np.int32) and offsets.ndim == tokens.ndim == 1
        if not (types and len(offsets) and offsets[0] == 0 and offsets[-1] == len(tokens)):
            raise ValueError(f"the texts of {name!r} do not end where their tokens do")
        if (np.diff(offsets) < 0).any():
            raise ValueError(f"a text of {name!r} has less than no tokens")
    others = [array for array in (split.source, split.targets, split.keys) if array is not None]
    if any(len(array) != len(split) for array in others):
        raise ValueError(f"the texts of {name!r} and what belongs to them are not equally many")
