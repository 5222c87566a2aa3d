"""Words of the letters a-z."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from seqlab.data.tokenizers.marks import MARKS, composed
from seqlab.data.tokenizers.tokenizer import (
    Spec,
    Tokenizer,
    TokenizerConfig,
    all_parts,
    running_vocabulary,
    sequence_vocabulary,
    specials,
    vocabulary_from,
)
from seqlab.data.tokenizers.word_level import WordLevel, by_frequency, joined


class WordsConfig(TokenizerConfig):
    """Lower-cased words; every character other than a-z separates words; most frequent first.

    >>> tokenizer = WordsConfig().train(["It's a film, a FILM!"])
    >>> tokenizer.vocabulary.tokens
    ('.pad', '.start', '.end', '.unk', 'a', 'film', 'it', 's')
    >>> tokenizer.decode(tokenizer.encode("A great film<br />"))
    'a .unk film .unk'
    """

    kind: Literal["words"] = "words"
    """Name of the tokenizer."""
    max_size: int | None = Field(default=None, ge=5)
    """Maximum vocabulary size, including `.pad .start .end .unk`; none: no limit."""
    min_count: int = Field(default=1, ge=1)
    """Occurrences in the training split that a word needs to be in the vocabulary."""

    @override
    def train(self, texts: Sequence[str], *, running: bool = False) -> Tokenizer:
        words = by_frequency(all_parts(texts), ascii_words, self.min_count)
        tokens = (*specials(running=running), *words)[: self.max_size]
        return _Words(running_vocabulary(tokens, "\n") if running else sequence_vocabulary(tokens))

    @override
    def restore(self, spec: Spec) -> Tokenizer:
        return _Words(vocabulary_from(spec))


class _Words(WordLevel):
    encodes_parts: ClassVar[bool] = True

    @override
    def split(self, text: str) -> list[str]:
        return ascii_words(text)

    @override
    def decode(self, ids: Sequence[int]) -> str:
        return joined(self.vocabulary, ids)

    @override
    def spec(self) -> Spec:
        return {"kind": "words", "vocabulary": dataclasses.asdict(self.vocabulary)}


# Translating bytes is several times faster than a regular expression. The table maps all that is no ASCII
# letter to a space.
_LETTERS = bytes(byte if chr(byte).isalpha() and byte < 128 else 32 for byte in range(256)).lower()


# Some letters with a mark have no composed form.
_MARKED = re.compile(f"[A-Za-z][{MARKS}]+")


def ascii_words(text: str) -> list[str]:
    """Lower-case runs of the letters a-z; an accented letter separates words like punctuation does.

    >>> ascii_words("Don't! Café no. 7")
    ['don', 't', 'caf', 'no']
    """
    if not text.isascii():
        text = _MARKED.sub(" ", composed(text))
    return text.encode("ascii", "replace").translate(_LETTERS).decode("ascii").split()
