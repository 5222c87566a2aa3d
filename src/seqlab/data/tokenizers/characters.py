"""Tokens that are Unicode characters."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
from typing_extensions import override

from seqlab.data.tokenizers.spans import Span
from seqlab.data.tokenizers.tokenizer import (
    Encoded,
    Spec,
    Tokenizer,
    TokenizerConfig,
    offsets_of,
    running_vocabulary,
    sequence_vocabulary,
    specials,
    vocabulary_from,
)
from seqlab.data.tokenizers.vocabulary import Vocabulary


class CharactersConfig(TokenizerConfig):
    """Unicode characters, in the order of their code points.

    >>> tokenizer = CharactersConfig().train(["abba"])
    >>> tokenizer.vocabulary.tokens
    ('.pad', '.start', '.end', '.unk', 'a', 'b')
    >>> tokenizer.encode("bad")
    [5, 4, 3]
    """

    character_level: ClassVar[bool] = True
    kind: Literal["characters"] = "characters"
    """Name of the tokenizer."""

    @override
    def train(self, texts: Sequence[str], *, running: bool = False) -> Tokenizer:
        characters: set[str] = set()
        for text in texts:
            characters.update(text)
        tokens = (*specials(running=running), *sorted(characters))
        return _Characters(running_vocabulary(tokens, "\n") if running else sequence_vocabulary(tokens))

    @override
    def restore(self, spec: Spec) -> Tokenizer:
        return _Characters(vocabulary_from(spec))


class _Characters(Tokenizer):
    encodes_parts: ClassVar[bool] = True

    def __init__(self, vocabulary: Vocabulary):
        self.vocabulary = vocabulary
        codes = {ord(token): index for index, token in enumerate(vocabulary.tokens) if len(token) == 1}
        assert vocabulary.unknown is not None, "training always adds it"
        # A lookup table from code point to id; its last entry serves every code point above the largest
        # known one, so that an emoji in the text does not make the table a million entries long.
        self._table = np.full(max(codes, default=0) + 2, vocabulary.unknown, dtype=np.int32)
        self._table[list(codes)] = list(codes.values())

    @override
    def encode_batch(self, texts: Sequence[str]) -> Encoded:
        # `surrogatepass`: JSON may hold lone surrogates, which are characters like any other here.
        points = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype="<u4")
        tokens = self._table[np.minimum(points, len(self._table) - 1)]
        return Encoded(tokens, offsets_of(map(len, texts)))

    @override
    def spans(self, text: str) -> list[Span]:
        return [(index, index + 1) for index in range(len(text))]

    @override
    def decode(self, ids: Sequence[int]) -> str:
        special = self.vocabulary.special
        return "".join(self.vocabulary.names([i for i in ids if i not in special]))

    @override
    def spec(self) -> Spec:
        return {"kind": "characters", "vocabulary": dataclasses.asdict(self.vocabulary)}
