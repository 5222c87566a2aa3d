"""Words separated by whitespace."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field, model_validator
from typing_extensions import override

from seqlab.data.tokenizers.spans import Span, matched
from seqlab.data.tokenizers.tokenizer import (
    PAD,
    START,
    Spec,
    Tokenizer,
    TokenizerConfig,
    all_parts,
    running_vocabulary,
    sequence_vocabulary,
    vocabulary_from,
)
from seqlab.data.tokenizers.vocabulary import Vocabulary
from seqlab.data.tokenizers.word_level import WordLevel, by_frequency
from seqlab.languages.language import END

WORD = re.compile(r"\S+")
_WORD_OR_LINE_BREAK = re.compile(r"\S+|\n")


class WhitespaceConfig(TokenizerConfig):
    r"""Everything between whitespace is a token, unchanged; most frequent first.

    >>> tokenizer = WhitespaceConfig().train(["no <unk> no\nyes\n"], running=True)
    >>> tokenizer.vocabulary.tokens
    ('<eos>', 'no', '<unk>', 'yes')
    >>> tokenizer.decode(tokenizer.encode("yes and no\n"))
    'yes <unk> no\n'
    """

    kind: Literal["whitespace"] = "whitespace"
    """Name of the tokenizer."""
    end_of_line: str = "<eos>"
    """The token that represents a line break; empty: a line break only separates tokens, like a space."""
    unknown: str = "<unk>"
    """The token for unknown words, added if the text does not contain it; empty: there is none, and an
    unknown word is an error."""
    max_size: int | None = Field(default=None, ge=5)
    """Maximum vocabulary size, including special tokens; none: no limit."""
    min_count: int = Field(default=1, ge=1)
    """Occurrences in the training split that a token needs to be in the vocabulary."""

    @model_validator(mode="after")
    def _tokens_are_whole(self) -> WhitespaceConfig:
        for name, token in (("end_of_line", self.end_of_line), ("unknown", self.unknown)):
            if token and (token.split() != [token] or token in (PAD, START, END)):
                raise ValueError(f"'{name}' must be one token without whitespace. Got {token!r}.")
        if not self.unknown and (self.max_size is not None or self.min_count > 1):
            raise ValueError(
                "'unknown' must not be empty where 'max_size' or 'min_count' leaves words out. Got ''."
            )
        return self

    @override
    def train(self, texts: Sequence[str], *, running: bool = False) -> Tokenizer:
        special = () if running else (PAD, START, END)
        limit = None if self.max_size is None else self.max_size - len(special)
        words = by_frequency(all_parts(texts), self._split, self.min_count, never=special)[:limit]
        # Running text that contains the unknown token, as the Penn Treebank does, keeps it at its frequency.
        if self.unknown and (self.unknown not in words or not running):
            words = [self.unknown, *(word for word in words if word != self.unknown)]
        tokens = (*special, *words)[: self.max_size]
        if running:
            return _Whitespace(running_vocabulary(tokens, self.end_of_line, self.unknown), self.end_of_line)
        return _Whitespace(sequence_vocabulary(tokens, self.unknown), self.end_of_line)

    @override
    def restore(self, spec: Spec) -> Tokenizer:
        return _Whitespace(vocabulary_from(spec), spec["end_of_line"])

    def _split(self, text: str) -> list[str]:
        return _split_at_whitespace(text, self.end_of_line)


class _Whitespace(WordLevel):
    encodes_parts: ClassVar[bool] = True

    def __init__(self, vocabulary: Vocabulary, end_of_line: str):
        super().__init__(vocabulary)
        self._end_of_line = end_of_line

    @override
    def split(self, text: str) -> list[str]:
        return _split_at_whitespace(text, self._end_of_line)

    @override
    def spans(self, text: str) -> list[Span]:
        return matched(_WORD_OR_LINE_BREAK if self._end_of_line else WORD, text)

    @override
    def decode(self, ids: Sequence[int]) -> str:
        special = self.vocabulary.special
        words = self.vocabulary.names([i for i in ids if i not in special])
        lines = " ".join("\n" if word == self._end_of_line else word for word in words)
        return lines.replace(" \n", "\n").replace("\n ", "\n")

    @override
    def spec(self) -> Spec:
        vocabulary = dataclasses.asdict(self.vocabulary)
        return {"kind": "whitespace", "end_of_line": self._end_of_line, "vocabulary": vocabulary}


def _split_at_whitespace(text: str, end_of_line: str) -> list[str]:
    return text.replace("\n", f" {end_of_line} ").split()
