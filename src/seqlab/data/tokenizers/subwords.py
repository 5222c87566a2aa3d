"""Subwords learned from the training split: byte-pair encoding and WordPiece, by the `tokenizers` library.

The library's own special tokens are not used: it would find them inside a text that happens to spell
them. `.pad .start .end` get the ids behind the subwords instead.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field
from typing_extensions import override

from seqlab.data.tokenizers.tokenizer import (
    END,
    PAD,
    START,
    UNKNOWN,
    Encoded,
    Spec,
    Tokenizer,
    TokenizerConfig,
    offsets_of,
    running_vocabulary,
    sequence_vocabulary,
)
from seqlab.schema.errors import UserError

if TYPE_CHECKING:
    import tokenizers

_CHUNK = 1000  # texts encoded at once: bounds memory, keeps all cores busy
_LINE_BREAK = "Ċ"  # how byte-level BPE writes the byte 10


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
    size: int = Field(default=8000, ge=260)
    """Entries of the vocabulary at most, the 256 bytes and the special tokens included."""
    lower_case: bool = False
    """Whether texts are lower-cased first."""

    @override
    def train(self, texts: Sequence[str], *, running: bool = False) -> Tokenizer:
        from tokenizers import Tokenizer as Model
        from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

        model = Model(models.BPE())
        if self.lower_case:
            model.normalizer = normalizers.Lowercase()
        model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        model.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=_room(self.size, running=running),
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        model.train_from_iterator(iter(texts), trainer)
        return _Subwords("bpe", model, running=running)

    @classmethod
    @override
    def restore(cls, spec: Spec) -> Tokenizer:
        return _restored(spec)


class WordPieceConfig(TokenizerConfig):
    """WordPiece: words and signs, longest known pieces first, `##` before what continues a word.

    >>> tokenizer = WordPieceConfig(size=40).train(["low lower lowest"] * 3)
    >>> tokenizer.decode(tokenizer.encode("Slower low: ☂"))
    'slower low .unk .unk'
    """

    kind: Literal["wordpiece"] = "wordpiece"
    """Name of the tokenizer."""
    size: int = Field(default=8000, ge=10)
    """Entries of the vocabulary at most, special tokens and every character included."""
    lower_case: bool = True
    """Whether texts are lower-cased first."""

    def train(self, texts: Sequence[str], *, running: bool = False) -> Tokenizer:
        """See `TokenizerConfig.train`.

        Raises:
            UserError: `size` has no room for the characters of the texts.
        """
        from tokenizers import trainers

        trainer = trainers.WordPieceTrainer(
            vocab_size=_room(self.size, running=running),
            # The trainer numbers the pieces that continue a word in random order. Named here, sorted,
            # they come first, and training is deterministic.
            special_tokens=[UNKNOWN, *_continuing(texts, lower_case=self.lower_case)],
            show_progress=False,
        )
        model = self._model({UNKNOWN: 0})
        model.train_from_iterator(iter(texts), trainer)
        entries = model.get_vocab()
        missing = len(entries) - _room(self.size, running=running)
        if missing > 0:
            raise UserError(
                f"'tokenizer.size' must be at least {self.size + missing}: the characters of the "
                f"training split need their entries. Got {self.size}."
            )
        return _Subwords("wordpiece", self._model(entries), running=running)

    @classmethod
    @override
    def restore(cls, spec: Spec) -> Tokenizer:
        return _restored(spec)

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
    def __init__(self, kind: str, model: tokenizers.Tokenizer, *, running: bool):
        self._kind, self._model = kind, model
        self._size = model.get_vocab_size()
        entries = model.get_vocab()
        pieces = tuple(sorted(entries, key=entries.__getitem__))
        if running:
            self.vocabulary = running_vocabulary(pieces, _LINE_BREAK if kind == "bpe" else "\n")
        else:
            self.vocabulary = sequence_vocabulary((*pieces, PAD, START, END))

    def encode_batch(self, texts: Sequence[str]) -> Encoded:
        parts, lengths = [np.empty(0, dtype=np.int32)], []
        for begin in range(0, len(texts), _CHUNK):
            chunk = list(texts[begin : begin + _CHUNK])
            encodings = self._model.encode_batch_fast(chunk, add_special_tokens=False)
            ids = [encoding.ids for encoding in encodings]
            lengths += map(len, ids)
            parts.append(np.fromiter(chain.from_iterable(ids), dtype=np.int32))
        return Encoded(np.concatenate(parts), offsets_of(lengths))

    def decode(self, ids: Sequence[int]) -> str:
        return self._model.decode([index for index in ids if index < self._size])

    def spec(self) -> Spec:
        running = self.vocabulary.end is None
        return {"kind": self._kind, "running": running, "model": self._model.to_str()}


def _restored(spec: Spec) -> Tokenizer:
    from tokenizers import Tokenizer as Model

    return _Subwords(spec["kind"], Model.from_str(spec["model"]), running=spec["running"])


def _room(size: int, *, running: bool) -> int:
    """Entries left for subwords."""
    return size if running else size - 3


def _continuing(texts: Sequence[str], *, lower_case: bool) -> Iterator[str]:
    """Every character that can stand inside a word, as a piece that continues one, sorted."""
    characters = set().union(*texts)
    if lower_case:
        characters = set().union(*(character.lower() for character in characters))
    return (f"##{character}" for character in sorted(characters) if _stands_inside_words(character))


def _stands_inside_words(character: str) -> bool:
    if character.isascii():
        return character.isalnum()
    return not character.isspace() and not unicodedata.category(character).startswith(("P", "C"))
