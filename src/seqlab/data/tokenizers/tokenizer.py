"""Texts to token ids and back: what all tokenizers share, characters, bytes.

Every tokenizer learns its vocabulary from the texts it is trained on and from nothing else. Separate
sequences get the tokens `.pad .start .end`; a running text (one text a split) has none of them, and
what stands before its first token is a line break, or the unknown token where there is none.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from seqlab.data.data_kinds import TOKENIZERS
from seqlab.data.tokenizers.vocabulary import Vocabulary
from seqlab.languages.language import END
from seqlab.schema.config import Config
from seqlab.schema.errors import UserError

Spec = dict[str, Any]
PAD, START, UNKNOWN = ".pad", ".start", ".unk"


class Encoded(NamedTuple):
    """Ids of n texts, one behind the other: text i is `tokens[offsets[i]:offsets[i+1]]`."""

    tokens: NDArray[np.int32]
    offsets: NDArray[np.int64]


class Tokenizer(ABC):
    """A trained tokenizer."""

    vocabulary: Vocabulary

    @abstractmethod
    def encode_batch(self, texts: Sequence[str]) -> Encoded:
        """Ids of every text, without start and end."""

    @abstractmethod
    def decode(self, ids: Sequence[int]) -> str:
        """The text behind ids: `.pad .start .end` left out, the unknown token shown."""

    @abstractmethod
    def spec(self) -> Spec:
        """Everything `tokenizer_from` needs, as plain JSON values, `kind` among them."""

    def encode(self, text: str) -> list[int]:
        """Ids of one text, without start and end."""
        return self.encode_batch([text]).tokens.tolist()


class TokenizerConfig(Config, ABC):
    """Settings of a tokenizer."""

    kind: str
    """Name of the tokenizer."""

    @abstractmethod
    def train(self, texts: Sequence[str], *, running: bool = False) -> Tokenizer:
        """A tokenizer whose vocabulary comes from these texts.

        Args:
            texts: the training split.
            running: the texts are running text, not separate sequences with a start and an end.
        """

    @classmethod
    @abstractmethod
    def restore(cls, spec: Spec) -> Tokenizer:
        """The tokenizer that wrote this spec."""


def tokenizer_from(spec: Spec) -> Tokenizer:
    """The tokenizer that wrote a spec, e.g. the one in a run folder.

    Raises:
        UserError: the spec is not one that `Tokenizer.spec` wrote.
    """
    try:
        config: type[TokenizerConfig] = TOKENIZERS[spec["kind"]]
        return config.restore(spec)
    except (KeyError, TypeError):
        raise UserError(f"A tokenizer's spec must be what `spec()` wrote. Got {str(spec)[:80]!r}.") from None


def offsets_of(lengths: Iterable[int]) -> NDArray[np.int64]:
    """Where sequences of these lengths begin when they stand one behind the other; the end last."""
    return np.cumsum([0, *lengths], dtype=np.int64)


class CharactersConfig(TokenizerConfig):
    """Unicode characters, in the order of their code points.

    >>> tokenizer = CharactersConfig().train(["abba"])
    >>> tokenizer.vocabulary.tokens
    ('.pad', '.start', '.end', '.unk', 'a', 'b')
    >>> tokenizer.encode("bad")
    [5, 4, 3]
    """

    kind: Literal["characters"] = "characters"
    """Name of the tokenizer."""

    @override
    def train(self, texts: Sequence[str], *, running: bool = False) -> Tokenizer:
        characters: set[str] = set()
        for text in texts:
            characters.update(text)
        tokens = (*specials(running=running), *sorted(characters))
        return _Characters(running_vocabulary(tokens, "\n") if running else sequence_vocabulary(tokens))

    @classmethod
    @override
    def restore(cls, spec: Spec) -> Tokenizer:
        return _Characters(vocabulary_from(spec))


class _Characters(Tokenizer):
    def __init__(self, vocabulary: Vocabulary):
        self.vocabulary = vocabulary
        codes = {ord(token): index for index, token in enumerate(vocabulary.tokens) if len(token) == 1}
        assert vocabulary.unknown is not None, "training always adds it"
        # The last entry stands for every code point beyond the largest known one.
        self._table = np.full(max(codes, default=0) + 2, vocabulary.unknown, dtype=np.int32)
        self._table[list(codes)] = list(codes.values())

    def encode_batch(self, texts: Sequence[str]) -> Encoded:
        points = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype="<u4")
        tokens = self._table[np.minimum(points, len(self._table) - 1)]
        return Encoded(tokens, offsets_of(map(len, texts)))

    def decode(self, ids: Sequence[int]) -> str:
        special = self.vocabulary.special
        return "".join(self.vocabulary.names([i for i in ids if i not in special]))

    def spec(self) -> Spec:
        return {"kind": "characters", "vocabulary": dataclasses.asdict(self.vocabulary)}


class BytesConfig(TokenizerConfig):
    """The 256 bytes of UTF-8, ids 0 to 255; no text is unknown.

    >>> tokenizer = BytesConfig().train([], running=True)
    >>> tokenizer.encode("né"), tokenizer.decode([110, 195, 169])
    ([110, 195, 169], 'né')
    """

    kind: Literal["bytes"] = "bytes"
    """Name of the tokenizer."""

    def train(self, texts: Sequence[str], *, running: bool = False) -> Tokenizer:
        """See `TokenizerConfig.train`; nothing is learned from the texts."""
        return _Bytes(running=running)

    @classmethod
    @override
    def restore(cls, spec: Spec) -> Tokenizer:
        return _Bytes(running=spec["running"])


class _Bytes(Tokenizer):
    def __init__(self, *, running: bool):
        names = tuple(chr(byte) if 32 <= byte < 127 or byte == 10 else f"<{byte:02x}>" for byte in range(256))
        if running:
            self.vocabulary = running_vocabulary(names, "\n")
        else:
            self.vocabulary = sequence_vocabulary((*names, PAD, START, END))

    def encode_batch(self, texts: Sequence[str]) -> Encoded:
        data = [text.encode("utf-8", "replace") for text in texts]
        tokens = np.frombuffer(b"".join(data), dtype=np.uint8).astype(np.int32)
        return Encoded(tokens, offsets_of(map(len, data)))

    def decode(self, ids: Sequence[int]) -> str:
        return bytes(index for index in ids if index < 256).decode("utf-8", "replace")

    def spec(self) -> Spec:
        return {"kind": "bytes", "running": self.vocabulary.end is None}


def specials(*, running: bool) -> tuple[str, ...]:
    """The tokens that are added to those of the text."""
    return (UNKNOWN,) if running else (PAD, START, END, UNKNOWN)


def sequence_vocabulary(tokens: tuple[str, ...], unknown: str = UNKNOWN) -> Vocabulary:
    """The vocabulary of separate sequences; `.pad .start .end` are among the tokens."""
    ids = _distinct(tokens)
    return Vocabulary(tokens, pad=ids[PAD], start=ids[START], end=ids[END], unknown=ids.get(unknown))


def running_vocabulary(tokens: tuple[str, ...], line_break: str, unknown: str = UNKNOWN) -> Vocabulary:
    """The vocabulary of running text: before it stands a line break, or else the unknown token."""
    ids = _distinct(tokens)
    return Vocabulary(tokens, start=ids.get(line_break, ids.get(unknown)), unknown=ids.get(unknown))


def _distinct(tokens: tuple[str, ...]) -> dict[str, int]:
    ids = {token: index for index, token in enumerate(tokens)}
    assert len(ids) == len(tokens), "tokens are distinct"
    return ids


def vocabulary_from(spec: Spec) -> Vocabulary:
    """The vocabulary in a spec, as `dataclasses.asdict` wrote it."""
    parts = spec["vocabulary"]
    return Vocabulary(
        tuple(parts["tokens"]),
        pad=parts["pad"],
        start=parts["start"],
        end=parts["end"],
        unknown=parts["unknown"],
    )
