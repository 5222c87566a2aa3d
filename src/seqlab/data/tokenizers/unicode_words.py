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
from seqlab.data.tokenizers.word_level import WordLevel, by_frequency, joined

# Japanese kana and Chinese characters are written without spaces, so each is a word of its own. Marks (vowel
# signs of Indic scripts, accents) belong to the letter before them, but `\w` does not match them.
_SINGLE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_MARKS = "\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0900-\u0dff"
_LETTERS = rf"[{_SINGLE}]|(?:[^\W{_SINGLE}]|[{_MARKS}])+"
_WORD = re.compile(_LETTERS)
_WORD_OR_PUNCTUATION = re.compile(rf"{_LETTERS}|\S")


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
    """Whether each punctuation mark or other symbol is a token; otherwise it only separates words."""
    max_size: int | None = Field(default=None, ge=5)
    """Maximum vocabulary size, including `.pad .start .end .unk`; none: no limit."""
    min_count: int = Field(default=1, ge=1)
    """Occurrences in the training split that a word needs to be in the vocabulary."""

    @override
    def train(self, texts: Sequence[str], *, running: bool = False) -> Tokenizer:
        words = by_frequency(texts, _SPLIT[self.punctuation], self.min_count)
        tokens = (*specials(running=running), *words)[: self.max_size]
        vocabulary = running_vocabulary(tokens, "\n") if running else sequence_vocabulary(tokens)
        return _UnicodeWords(vocabulary, punctuation=self.punctuation)

    @classmethod
    @override
    def restore(cls, spec: Spec) -> Tokenizer:
        return _UnicodeWords(vocabulary_from(spec), punctuation=spec["punctuation"])


class _UnicodeWords(WordLevel):
    def __init__(self, vocabulary: Vocabulary, *, punctuation: bool):
        super().__init__(vocabulary)
        self._punctuation, self._split = punctuation, _SPLIT[punctuation]

    @override
    def split(self, text: str) -> list[str]:
        return self._split(text)

    @override
    def decode(self, ids: Sequence[int]) -> str:
        return joined(self.vocabulary, ids)

    @override
    def spec(self) -> Spec:
        vocabulary = dataclasses.asdict(self.vocabulary)
        return {"kind": "unicode-words", "punctuation": self._punctuation, "vocabulary": vocabulary}


def unicode_words(text: str) -> list[str]:
    """Lower-case runs of letters and digits, case-folded and in Unicode normal form C.

    >>> unicode_words("Don't! Café no. 7 映画 ФИЛЬМ")
    ['don', 't', 'café', 'no', '7', '映', '画', 'фильм']
    """
    return _WORD.findall(_normalized(text))


def words_and_punctuation(text: str) -> list[str]:
    """The words of `unicode_words`, and every other character that is not whitespace.

    >>> words_and_punctuation("Don't! 7 %")
    ['don', "'", 't', '!', '7', '%']
    """
    return _WORD_OR_PUNCTUATION.findall(_normalized(text))


def _normalized(text: str) -> str:
    # Composed and decomposed accents look the same, so they must give the same word.
    return unicodedata.normalize("NFC", text.casefold())


_SPLIT = {False: unicode_words, True: words_and_punctuation}
