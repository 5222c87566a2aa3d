"""Reading a dataset and encoding its texts, of which only a few are in memory together."""

from __future__ import annotations

import dataclasses
import hashlib
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import IO, ClassVar, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from seqlab.data.cache_entry import entries_folder
from seqlab.data.dataset import About, Corpus, Limit, Split
from seqlab.data.fetch import writing
from seqlab.data.ragged import Ragged
from seqlab.data.shared_texts import Keys, text_keys
from seqlab.data.split_notes import split_notes
from seqlab.data.tokenizers.tokenizer import Encoded, Tokenizer, TokenizerConfig, parts
from seqlab.schema.errors import UserError
from seqlab.schema.visible import visible

UNLABELLED = "unlabelled"
"""The name of the unlabelled texts among the splits."""
CHUNK, CHARACTERS = 2_000, 1 << 22
"""Texts that are in memory together while they are encoded, and their characters unless it is one text."""
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


class Content(NamedTuple):
    """An encoded dataset; the unlabelled texts are among the splits."""

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
        corpus = dataclasses.replace(corpus, texts={**corpus.texts, UNLABELLED: corpus.unlabelled})
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
    folder = entries_folder()
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
