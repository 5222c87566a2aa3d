"""Words of any alphabet."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from seqlab.data.tokenizers import (
    Spec,
    Tokenizer,
    TokenizerConfig,
    running_vocabulary,
    sequence_vocabulary,
    specials,
    vocabulary_from,
)
from seqlab.data.words import WordLevel, by_frequency

# Japanese kana and Chinese characters are written without blanks, so each is a word of its own. Marks
# (vowel signs of Indian scripts, accents) belong to the letter before them; `\w` leaves them out.
_SINGLE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_MARKS = "\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0900-\u0dff"
_WORD = re.compile(rf"[{_SINGLE}]|(?:[^\W{_SINGLE}]|[{_MARKS}])+")


class UnicodeWordsConfig(TokenizerConfig):
    """Lower-case runs of letters and digits of any alphabet; most frequent first.

    >>> tokenizer = UnicodeWordsConfig().train(["Der 2. Film: GRÖSSER!", "größer"])
    >>> tokenizer.vocabulary.tokens
    ('.pad', '.start', '.end', '.unk', 'grösser', '2', 'der', 'film')
    >>> tokenizer.decode(tokenizer.encode("Der Film, 3-D"))
    'der film .unk .unk'
    """

    kind: Literal["unicode-words"] = "unicode-words"
    """Name of the tokenizer."""
    max_size: int | None = Field(default=None, ge=5)
    """Entries of the vocabulary at most, `.pad .start .end .unk` included; none: no limit."""
    min_count: int = Field(default=1, ge=1)
    """Occurrences in the training split that a word needs to have an id."""

    def train(self, texts: Sequence[str], *, running: bool = False) -> Tokenizer:
        """See `TokenizerConfig.train`."""
        words = by_frequency(texts, unicode_words, self.min_count)
        tokens = (*specials(running=running), *words)[: self.max_size]
        return _UnicodeWords(running_vocabulary(tokens, "\n") if running else sequence_vocabulary(tokens))

    @classmethod
    def restore(cls, spec: Spec) -> Tokenizer:
        """See `TokenizerConfig.restore`."""
        return _UnicodeWords(vocabulary_from(spec))


class _UnicodeWords(WordLevel):
    def split(self, text: str) -> list[str]:
        return unicode_words(text)

    def decode(self, ids: Sequence[int]) -> str:
        special = self.vocabulary.special
        return " ".join(self.vocabulary.names([i for i in ids if i not in special]))

    def spec(self) -> Spec:
        return {"kind": "unicode-words", "vocabulary": dataclasses.asdict(self.vocabulary)}


def unicode_words(text: str) -> list[str]:
    """Lower-case runs of letters and digits; letters that look the same are the same.

    >>> unicode_words("Don't! Café no. 7 映画 ФИЛЬМ")
    ['don', 't', 'café', 'no', '7', '映', '画', 'фильм']
    """
    return _WORD.findall(unicodedata.normalize("NFC", text.casefold()))
