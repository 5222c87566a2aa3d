"""Words of any alphabet."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Sequence
from typing import Literal

from pydantic import Field
from typing_extensions import override

from seqlab.data.tokenizers.tokenizer import (
    Spec,
    Tokenizer,
    TokenizerConfig,
    running_vocabulary,
    sequence_vocabulary,
    specials,
    vocabulary_from,
)
from seqlab.data.tokenizers.vocabulary import Vocabulary
from seqlab.data.tokenizers.words import WordLevel, by_frequency

# Japanese kana and Chinese characters are written without blanks, so each is a word of its own. Marks
# (vowel signs of Indian scripts, accents) belong to the letter before them; `\w` leaves them out.
_SINGLE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_MARKS = "\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0900-\u0dff"
_LETTERS = rf"[{_SINGLE}]|(?:[^\W{_SINGLE}]|[{_MARKS}])+"
_WORD = re.compile(_LETTERS)
_WORD_OR_SIGN = re.compile(rf"{_LETTERS}|\S")


class UnicodeWordsConfig(TokenizerConfig):
    """Lower-case runs of letters and digits of any alphabet; most frequent first.

    >>> tokenizer = UnicodeWordsConfig().train(["Der 2. Film: GRÖSSER!", "größer"])
    >>> tokenizer.vocabulary.tokens
    ('.pad', '.start', '.end', '.unk', 'grösser', '2', 'der', 'film')
    >>> tokenizer.decode(tokenizer.encode("Der Film, 3-D"))
    'der film .unk .unk'
    >>> UnicodeWordsConfig(punctuation=True).train(["Not good, not bad!"]).vocabulary.tokens[4:]
    ('not', '!', ',', 'bad', 'good')
    """

    kind: Literal["unicode-words"] = "unicode-words"
    """Name of the tokenizer."""
    punctuation: bool = False
    """Whether every other sign, as a comma, is a token of its own; otherwise it only separates words."""
    max_size: int | None = Field(default=None, ge=5)
    """Entries of the vocabulary at most, `.pad .start .end .unk` included; none: no limit."""
    min_count: int = Field(default=1, ge=1)
    """Occurrences in the training split that a word needs to have an id."""

    @override
    def train(self, texts: Sequence[str], *, running: bool = False) -> Tokenizer:
        words = by_frequency(texts, _SPLIT[self.punctuation], self.min_count)
        tokens = (*specials(running=running), *words)[: self.max_size]
        vocabulary = running_vocabulary(tokens, "\n") if running else sequence_vocabulary(tokens)
        return _UnicodeWords(vocabulary, punctuation=self.punctuation)

    @classmethod
    @override
    def restore(cls, spec: Spec) -> Tokenizer:
        # Specs without the key were written before there was a choice.
        return _UnicodeWords(vocabulary_from(spec), punctuation=spec.get("punctuation", False))


class _UnicodeWords(WordLevel):
    def __init__(self, vocabulary: Vocabulary, *, punctuation: bool):
        super().__init__(vocabulary)
        self._punctuation, self._split = punctuation, _SPLIT[punctuation]

    def split(self, text: str) -> list[str]:
        return self._split(text)

    def decode(self, ids: Sequence[int]) -> str:
        special = self.vocabulary.special
        return " ".join(self.vocabulary.names([i for i in ids if i not in special]))

    def spec(self) -> Spec:
        vocabulary = dataclasses.asdict(self.vocabulary)
        return {"kind": "unicode-words", "punctuation": self._punctuation, "vocabulary": vocabulary}


def unicode_words(text: str) -> list[str]:
    """Lower-case runs of letters and digits; letters that look the same are the same.

    >>> unicode_words("Don't! Café no. 7 映画 ФИЛЬМ")
    ['don', 't', 'café', 'no', '7', '映', '画', 'фильм']
    """
    return _WORD.findall(_same(text))


def words_and_signs(text: str) -> list[str]:
    """The same, and every other sign that is no blank.

    >>> words_and_signs("Don't! 7 %")
    ['don', "'", 't', '!', '7', '%']
    """
    return _WORD_OR_SIGN.findall(_same(text))


def _same(text: str) -> str:
    return unicodedata.normalize("NFC", text.casefold())


_SPLIT = {False: unicode_words, True: words_and_signs}
