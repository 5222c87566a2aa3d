"""Subwords learned from the training split: byte-pair encoding and WordPiece, from the `tokenizers` library.

The library's own special tokens are not used, because it would recognise them inside a text that happens to
contain their spelling. Instead `.pad`, `.start` and `.end` get the ids after those of the subwords.
"""

from __future__ import annotations

import json
import string
import unicodedata
from collections.abc import Iterator, Sequence, Set
from itertools import chain
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import Field
from typing_extensions import override

from seqlab.data.tokenizers.spans import Span
from seqlab.data.tokenizers.tokenizer import (
    END,
    PAD,
    START,
    UNKNOWN,
    Encoded,
    Spec,
    Tokenizer,
    TokenizerConfig,
    all_parts,
    offsets_of,
    running_vocabulary,
    sequence_vocabulary,
)
from seqlab.schema.errors import UserError
from seqlab.schema.extras import require

if TYPE_CHECKING:
    import tokenizers

_CHUNK = 1000  # texts encoded at once: bounds memory and still keeps all cores busy
_SPACES = " \t\n\v\f\r"  # to Python, some control characters are spaces, too
_LINE_BREAK = "Ċ"  # the character by which byte-level BPE represents byte 10


class BpeConfig(TokenizerConfig):
    """Byte-pair encoding over the bytes of UTF-8 (Sennrich et al. 2016): no text is unknown.

    >>> tokenizer = BpeConfig(size=270).train(["low lower lowest"] * 3)
    >>> tokenizer.vocabulary.names(tokenizer.encode("low lowest"))
    ['low', 'Ġlowest']
    >>> tokenizer.decode(tokenizer.encode("Größe :)"))
    'Größe :)'
    """

    kind: Literal["bpe"] = "bpe"
    """Name of the tokenizer."""
    size: int = Field(default=8000, ge=260, le=1_000_000)
    """Maximum vocabulary size, including the 256 bytes and the special tokens."""
    lower_case: bool = False
    """Whether texts are lower-cased first."""

    @override
    def train(self, texts: Sequence[str], *, running: bool = False) -> Tokenizer:
        _require_library(self.kind)
        from tokenizers import pre_tokenizers, trainers

        model = self._model({}, [])
        trainer = trainers.BpeTrainer(
            vocab_size=_subword_count(self.size, running=running),
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        model.train_from_iterator(all_parts(texts), trainer)
        return _Subwords("bpe", model, running=running)

    @override
    def restore(self, spec: Spec) -> Tokenizer:
        _require_library(self.kind)
        from tokenizers import pre_tokenizers

        parts = _parts(spec, set(pre_tokenizers.ByteLevel.alphabet()))
        model = type(self)(lower_case=parts.lower_case)._model(parts.entries, parts.merges)
        return _Subwords("bpe", model, running=spec["running"])

    def _model(self, entries: dict[str, int], merges: list[tuple[str, str]]) -> tokenizers.Tokenizer:
        from tokenizers import Tokenizer as Model
        from tokenizers import decoders, models, normalizers, pre_tokenizers

        model = Model(models.BPE(entries, merges))
        if self.lower_case:
            model.normalizer = normalizers.Lowercase()
        model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        model.decoder = decoders.ByteLevel()
        return model


class WordPieceConfig(TokenizerConfig):
    """WordPiece: words and punctuation, split greedily into the longest known pieces.

    A piece that continues a word begins with `##`.

    >>> tokenizer = WordPieceConfig(size=40).train(["low lower lowest"] * 3)
    >>> tokenizer.decode(tokenizer.encode("Slower low: ☂"))
    'slower low .unk .unk'
    """

    kind: Literal["wordpiece"] = "wordpiece"
    """Name of the tokenizer."""
    size: int = Field(default=8000, ge=10, le=1_000_000)
    """Maximum vocabulary size, including special tokens and every character."""
    lower_case: bool = True
    """Whether texts are lower-cased first."""

    @override
    def train(self, texts: Sequence[str], *, running: bool = False) -> Tokenizer:
        _require_library(self.kind)
        from tokenizers import trainers

        trainer = trainers.WordPieceTrainer(
            vocab_size=_subword_count(self.size, running=running),
            # The trainer numbers the pieces that continue a word in random order. Listed here, sorted, they
            # come first, and training is deterministic.
            special_tokens=[UNKNOWN, *_continuing(texts, lower_case=self.lower_case)],
            show_progress=False,
        )
        model = self._model({UNKNOWN: 0})
        model.train_from_iterator(all_parts(texts), trainer)
        entries = model.get_vocab()
        # The trainer exceeds the size rather than leave out a character.
        missing = len(entries) - _subword_count(self.size, running=running)
        if missing > 0:
            raise UserError(
                f"'data.tokenizer.size' must be at least {self.size + missing}: each character of the "
                f"training split needs an entry. Got {self.size}."
            )
        # A new model of the same entries: the trained one would treat those listed above as special tokens,
        # and recognise them inside any text.
        return _Subwords("wordpiece", self._model(entries), running=running)

    @override
    def restore(self, spec: Spec) -> Tokenizer:
        _require_library(self.kind)
        parts = _parts(spec, {UNKNOWN})
        model = type(self)(lower_case=parts.lower_case)._model(parts.entries)
        return _Subwords("wordpiece", model, running=spec["running"])

    def _model(self, entries: dict[str, int]) -> tokenizers.Tokenizer:
        from tokenizers import Tokenizer as Model
        from tokenizers import decoders, models, normalizers, pre_tokenizers

        model = Model(models.WordPiece(entries, unk_token=UNKNOWN))
        if self.lower_case:
            model.normalizer = normalizers.Lowercase()
        model.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        model.decoder = decoders.WordPiece(prefix="##", cleanup=False)
        return model


class _Subwords(Tokenizer):
    encodes_parts: ClassVar[bool] = True

    def __init__(self, kind: str, model: tokenizers.Tokenizer, *, running: bool):
        self._kind, self._model = kind, model
        self._size = model.get_vocab_size()
        entries = model.get_vocab()
        pieces = tuple(sorted(entries, key=entries.__getitem__))
        if running:
            self.vocabulary = running_vocabulary(pieces, _LINE_BREAK if kind == "bpe" else "\n")
        else:
            self.vocabulary = sequence_vocabulary((*pieces, PAD, START, END))

    @override
    def encode_batch(self, texts: Sequence[str]) -> Encoded:
        parts, lengths = [np.empty(0, dtype=np.int32)], []
        for begin in range(0, len(texts), _CHUNK):
            chunk = list(texts[begin : begin + _CHUNK])
            encodings = self._model.encode_batch_fast(chunk, add_special_tokens=False)
            ids = [encoding.ids for encoding in encodings]
            lengths += map(len, ids)
            parts.append(np.fromiter(chain.from_iterable(ids), dtype=np.int32))
        return Encoded(np.concatenate(parts), offsets_of(lengths))

    @override
    def spans(self, text: str) -> list[Span]:
        return self._model.encode(text, add_special_tokens=False).offsets

    @override
    def decode(self, ids: Sequence[int]) -> str:
        return self._model.decode([index for index in ids if index < self._size])

    @override
    def spec(self) -> Spec:
        running = self.vocabulary.end is None
        return {"kind": self._kind, "running": running, "model": self._model.to_str()}


class _Parts(NamedTuple):
    """What training learned; everything else of a model is the package's choice."""

    entries: dict[str, int]
    merges: list[tuple[str, str]]
    lower_case: bool


def _require_library(kind: str) -> None:
    require("subwords", f"The tokenizer {kind!r}")


def _parts(spec: Spec, needed: Set[str]) -> _Parts:
    """The learned parts of a spec, checked: the library crashes on some damaged ones.

    Args:
        spec: what `Tokenizer.spec` wrote.
        needed: entries that every vocabulary of this kind has.

    Raises:
        ValueError: they do not fit together.
    """
    model = json.loads(spec["model"])
    entries = model["model"]["vocab"]
    merges = [(one, other) for one, other in model["model"].get("merges", [])]
    if not needed <= entries.keys():
        raise ValueError("a vocabulary that lacks a byte or the unknown token")
    if [type(index) for index in entries.values()].count(int) < len(entries):
        raise TypeError("a vocabulary whose ids are not whole numbers")
    if sorted(entries.values()) != list(range(len(entries))):
        raise ValueError("a vocabulary whose ids have gaps")
    if not all({one, other, one + other} <= entries.keys() for one, other in merges):
        raise ValueError("a merge that is not part of the vocabulary")
    return _Parts(entries, merges, model["normalizer"] is not None)


def _subword_count(size: int, *, running: bool) -> int:
    """Entries left for subwords; running text has no special tokens."""
    return size if running else size - 3


def _continuing(texts: Sequence[str], *, lower_case: bool) -> Iterator[str]:
    """Every character that can occur inside a word, as a piece that continues one, sorted."""
    characters = set().union(*texts)
    if lower_case:
        characters = set().union(*(character.lower() for character in characters))
    return (f"##{character}" for character in sorted(characters) if _occurs_inside_words(character))


def _occurs_inside_words(character: str) -> bool:
    """Whether the library does not split a word at this character; marks and joiners are inside words."""
    if character.isascii():
        return character not in string.punctuation and character not in _SPACES
    return not character.isspace() and not unicodedata.category(character).startswith("P")
