"""The tokenizer protocol: texts to token ids and back.

A tokenizer learns its vocabulary from the training texts and from nothing else. Separate sequences get the
special tokens `.pad`, `.start` and `.end`. Running text (one text per split) has none of them: before its
first token the model reads a line break, or the unknown token where the vocabulary has no line break.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqlab.data.data_kinds import TOKENIZERS
from seqlab.data.sources.file_content import damages
from seqlab.data.tokenizers.spans import Span
from seqlab.data.tokenizers.vocabulary import Vocabulary
from seqlab.languages.language import END
from seqlab.schema.config import Config

Spec = dict[str, Any]
PAD, START, UNKNOWN = ".pad", ".start", ".unk"
PART = 1 << 18
"""Characters of a part of a text, at least; see `parts`."""
# The lookbehind makes the characters on both sides part of the condition, not of the border.
_BORDER = re.compile(r"(?<=\S) (?=\S)")


class Encoded(NamedTuple):
    """Ids of n texts, concatenated: text i is `tokens[offsets[i]:offsets[i+1]]`."""

    tokens: NDArray[np.int32]
    offsets: NDArray[np.int64]


class Tokenizer(ABC):
    """A trained tokenizer."""

    encodes_parts: ClassVar[bool] = False
    """Whether the parts that `parts` cuts a text into have, one after the other, the ids of the text."""
    frequent_first: ClassVar[bool] = False
    """Whether ids, after those of special tokens, are in the order of frequency in the training split."""
    vocabulary: Vocabulary

    @abstractmethod
    def encode_batch(self, texts: Sequence[str]) -> Encoded:
        """Ids of every text, without start and end tokens."""

    @abstractmethod
    def decode(self, ids: Sequence[int]) -> str:
        """The text of these ids: `.pad`, `.start` and `.end` are left out, the unknown token is shown."""

    @abstractmethod
    def spec(self) -> Spec:
        """Everything `tokenizer_from` needs, as plain JSON values; `kind` is one of them."""

    def spans(self, text: str) -> list[Span] | None:
        """Where in the text each token of `encode` is; None where that is not known."""
        return None

    def encode(self, text: str) -> list[int]:
        """Ids of one text, without start and end tokens."""
        return self.encode_batch([text]).tokens.tolist()


class TokenizerConfig(Config, ABC):
    """Settings of a tokenizer."""

    character_level: ClassVar[bool] = False
    """Whether tokens are the characters of the text."""
    kind: str
    """Name of the tokenizer."""

    @abstractmethod
    def train(self, texts: Sequence[str], *, running: bool = False) -> Tokenizer:
        """A tokenizer whose vocabulary comes from these texts.

        Args:
            texts: the training split.
            running: whether the texts are running text rather than separate sequences with start and end.
        """

    @abstractmethod
    def restore(self, spec: Spec) -> Tokenizer:
        """The tokenizer that wrote this spec, trained with settings of the same kind."""


def tokenizer_from(spec: Spec, config: TokenizerConfig | None = None) -> Tokenizer:
    """The tokenizer that wrote a spec, e.g. the one stored in a run folder.

    Args:
        spec: what `Tokenizer.spec` returned.
        config: the settings with which it was trained; None suffices where its kind needs none.

    Raises:
        UserError: the spec was not written by `Tokenizer.spec`, or by a tokenizer of another kind.
    """
    with damages("A tokenizer's spec must be what `spec()` wrote."):
        trained: TokenizerConfig = config or TOKENIZERS[spec["kind"]]()
        if spec["kind"] != trained.kind:
            raise ValueError(f"a tokenizer of kind {str(spec['kind'])[:40]!r} in place of {trained.kind!r}")
        return trained.restore(spec)


def parts(text: str, size: int = PART) -> Iterator[str]:
    """The text in parts of at least `size` characters, so that its tokens need not be in memory at once.

    Every part but the first begins with a space between two other characters, where no word, subword or
    character of a tokenizer crosses the border. A text that has none there is one part.

    >>> list(parts("to be  or not", size=2)), list(parts("tobe", size=2))
    (['to', ' be  or', ' not'], ['tobe'])
    """
    begin = 0
    while border := _BORDER.search(text, begin + size):
        yield text[begin : border.start()]
        begin = border.start()
    yield text[begin:]


def all_parts(texts: Iterable[str]) -> Iterator[str]:
    """The parts of every text."""
    return (part for text in texts for part in parts(text))


def offsets_of(lengths: Iterable[int]) -> NDArray[np.int64]:
    """(n+1,) where each of n concatenated sequences begins; the last entry is the total length."""
    return np.cumsum([0, *lengths], dtype=np.int64)


def specials(*, running: bool) -> tuple[str, ...]:
    """The special tokens that are added to those of the text."""
    return (UNKNOWN,) if running else (PAD, START, END, UNKNOWN)


def sequence_vocabulary(tokens: tuple[str, ...], unknown: str = UNKNOWN) -> Vocabulary:
    """The vocabulary of separate sequences; the tokens include `.pad`, `.start` and `.end`."""
    ids = _distinct(tokens)
    return Vocabulary(tokens, pad=ids[PAD], start=ids[START], end=ids[END], unknown=ids.get(unknown))


def running_vocabulary(tokens: tuple[str, ...], line_break: str, unknown: str = UNKNOWN) -> Vocabulary:
    """The vocabulary of running text, which starts after a line break, or else after the unknown token."""
    ids = _distinct(tokens)
    return Vocabulary(tokens, start=ids.get(line_break, ids.get(unknown)), unknown=ids.get(unknown))


def _distinct(tokens: tuple[str, ...]) -> dict[str, int]:
    ids = {token: index for index, token in enumerate(tokens)}
    assert len(ids) == len(tokens), "tokens are distinct"
    return ids


def vocabulary_from(spec: Spec) -> Vocabulary:
    """The vocabulary in a spec, as `dataclasses.asdict` wrote it.

    Raises:
        ValueError: it is no such vocabulary.
    """
    parts = spec["vocabulary"]
    tokens, roles = parts["tokens"], {role: parts[role] for role in ("pad", "start", "end", "unknown")}
    if not isinstance(tokens, list | tuple) or not all(isinstance(token, str) for token in tokens):
        raise TypeError("a vocabulary whose tokens are not texts")
    if len(set(tokens)) != len(tokens):
        raise ValueError("a vocabulary that contains a token twice")
    for role, index in roles.items():
        if index is not None and (type(index) is not int or not 0 <= index < len(tokens)):
            raise ValueError(f"a vocabulary of {len(tokens)} tokens whose {role!r} is {str(index)[:40]}")
    return Vocabulary(tuple(tokens), **roles)
