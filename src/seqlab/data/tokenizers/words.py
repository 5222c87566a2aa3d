"""Words: crude ones, and what stands between blanks."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Literal

import numpy as np
from pydantic import Field, model_validator
from typing_extensions import override

from seqlab.data.tokenizers.tokenizer import (
    END,
    PAD,
    START,
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
from seqlab.schema.errors import UserError


class WordLevel(Tokenizer):
    """A tokenizer that cuts a text into words and looks each one up."""

    def __init__(self, vocabulary: Vocabulary):
        self.vocabulary = vocabulary
        # A word of the text that is spelled like `.pad` is an unknown word, not padding.
        self._ids = {token: i for token, i in vocabulary.ids.items() if i not in vocabulary.special}

    @abstractmethod
    def split(self, text: str) -> list[str]:
        """The words of a text."""

    def encode_batch(self, texts: Sequence[str]) -> Encoded:
        """Ids of every word; see `Tokenizer.encode_batch`.

        Raises:
            UserError: a word is not known, and there is no unknown token.
        """
        unknown = -1 if self.vocabulary.unknown is None else self.vocabulary.unknown
        ids, lengths = array("i"), []
        for text in texts:
            words = self.split(text)
            ids.extend(map(self._ids.get, words, repeat(unknown)))
            lengths.append(len(words))
        encoded = Encoded(np.array(ids, dtype=np.int32), offsets_of(lengths))
        if self.vocabulary.unknown is None and (encoded.tokens < 0).any():
            raise self._unknown_word(texts, encoded)
        return encoded

    def _unknown_word(self, texts: Sequence[str], encoded: Encoded) -> UserError:
        place = int(np.argmax(encoded.tokens < 0))
        text = int(np.searchsorted(encoded.offsets, place, side="right")) - 1
        word = self.split(texts[text])[place - int(encoded.offsets[text])]
        return UserError(
            f"A word must be one of the vocabulary's {len(self.vocabulary)}, "
            f"as 'tokenizer.unknown' is empty. Got {word!r}."
        )


class WordsConfig(TokenizerConfig):
    """Crude words: lower-cased, everything but the letters a-z separates; most frequent first.

    >>> tokenizer = WordsConfig().train(["It's a film, a FILM!"])
    >>> tokenizer.vocabulary.tokens
    ('.pad', '.start', '.end', '.unk', 'a', 'film', 'it', 's')
    >>> tokenizer.decode(tokenizer.encode("A great film<br />"))
    'a .unk film .unk'
    """

    kind: Literal["words"] = "words"
    """Name of the tokenizer."""
    max_size: int | None = Field(default=None, ge=5)
    """Entries of the vocabulary at most, `.pad .start .end .unk` included; none: no limit."""
    min_count: int = Field(default=1, ge=1)
    """Occurrences in the training split that a word needs to have an id."""

    @override
    def train(self, texts: Sequence[str], *, running: bool = False) -> Tokenizer:
        words = by_frequency(texts, crude_words, self.min_count)
        tokens = (*specials(running=running), *words)[: self.max_size]
        return _Words(running_vocabulary(tokens, "\n") if running else sequence_vocabulary(tokens))

    @classmethod
    @override
    def restore(cls, spec: Spec) -> Tokenizer:
        return _Words(vocabulary_from(spec))


class _Words(WordLevel):
    def split(self, text: str) -> list[str]:
        return crude_words(text)

    def decode(self, ids: Sequence[int]) -> str:
        special = self.vocabulary.special
        return " ".join(self.vocabulary.names([i for i in ids if i not in special]))

    def spec(self) -> Spec:
        return {"kind": "words", "vocabulary": dataclasses.asdict(self.vocabulary)}


_LETTERS = bytes(byte if chr(byte).isalpha() and byte < 128 else 32 for byte in range(256)).lower()


def crude_words(text: str) -> list[str]:
    """Lower-case runs of the letters a-z; a letter with an accent separates like any other sign.

    >>> crude_words("Don't! Café no. 7")
    ['don', 't', 'caf', 'no']
    """
    return text.encode("ascii", "replace").translate(_LETTERS).decode("ascii").split()


class WhitespaceConfig(TokenizerConfig):
    r"""What stands between blanks, as it is; most frequent first.

    >>> tokenizer = WhitespaceConfig().train(["no <unk> no\nyes\n"], running=True)
    >>> tokenizer.vocabulary.tokens
    ('<eos>', 'no', '<unk>', 'yes')
    >>> tokenizer.decode(tokenizer.encode("yes and no\n"))
    'yes <unk> no\n'
    """

    kind: Literal["whitespace"] = "whitespace"
    """Name of the tokenizer."""
    end_of_line: str = "<eos>"
    """The token that a line break becomes; empty: a line break is a blank like any other."""
    unknown: str = "<unk>"
    """The token of unknown words, added where the text does not hold it; empty: none, and an unknown
    word is an error."""
    max_size: int | None = Field(default=None, ge=5)
    """Entries of the vocabulary at most, special tokens included; none: no limit."""
    min_count: int = Field(default=1, ge=1)
    """Occurrences in the training split that a token needs to have an id."""

    @model_validator(mode="after")
    def _tokens_are_whole(self) -> WhitespaceConfig:
        for name, token in (("end_of_line", self.end_of_line), ("unknown", self.unknown)):
            if token and (token.split() != [token] or token in (PAD, START, END)):
                raise ValueError(f"'{name}' must be one token without blanks. Got {token!r}.")
        if not self.unknown and (self.max_size is not None or self.min_count > 1):
            raise ValueError(
                "'unknown' must be given where 'max_size' or 'min_count' leaves words out. Got ''."
            )
        return self

    @override
    def train(self, texts: Sequence[str], *, running: bool = False) -> Tokenizer:
        parts = () if running else (PAD, START, END)
        words = by_frequency(texts, self._split, self.min_count, never=parts)[: self._room(parts)]
        if self.unknown and (self.unknown not in words or not running):
            words = [self.unknown, *(word for word in words if word != self.unknown)]
        tokens = (*parts, *words)[: self.max_size]
        if running:
            return _Whitespace(running_vocabulary(tokens, self.end_of_line, self.unknown), self.end_of_line)
        return _Whitespace(sequence_vocabulary(tokens, self.unknown), self.end_of_line)

    @classmethod
    @override
    def restore(cls, spec: Spec) -> Tokenizer:
        return _Whitespace(vocabulary_from(spec), spec["end_of_line"])

    def _split(self, text: str) -> list[str]:
        return _blank_separated(text, self.end_of_line)

    def _room(self, parts: tuple[str, ...]) -> int | None:
        return None if self.max_size is None else self.max_size - len(parts)


class _Whitespace(WordLevel):
    def __init__(self, vocabulary: Vocabulary, end_of_line: str):
        super().__init__(vocabulary)
        self._end_of_line = end_of_line

    def split(self, text: str) -> list[str]:
        return _blank_separated(text, self._end_of_line)

    def decode(self, ids: Sequence[int]) -> str:
        special = self.vocabulary.special
        words = self.vocabulary.names([i for i in ids if i not in special])
        lines = " ".join("\n" if word == self._end_of_line else word for word in words)
        return lines.replace(" \n", "\n").replace("\n ", "\n")

    def spec(self) -> Spec:
        vocabulary = dataclasses.asdict(self.vocabulary)
        return {"kind": "whitespace", "end_of_line": self._end_of_line, "vocabulary": vocabulary}


def _blank_separated(text: str, end_of_line: str) -> list[str]:
    return text.replace("\n", f" {end_of_line} ").split()


def by_frequency(
    texts: Sequence[str], split: Callable[[str], list[str]], min_count: int, never: tuple[str, ...] = ()
) -> list[str]:
    """Words by falling frequency, equal ones in the order of the alphabet."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(split(text))
    common = [(word, count) for word, count in counts.items() if count >= min_count and word not in never]
    return [word for word, _ in sorted(common, key=lambda item: (-item[1], item[0]))]
