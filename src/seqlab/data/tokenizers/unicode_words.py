"""Words of any alphabet."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from seqlab.data.tokenizers.marks import JOINERS, MARKS, SPACE, TAGS, composed, without_format
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
from seqlab.data.tokenizers.vocabulary import Vocabulary
from seqlab.data.tokenizers.word_level import WordLevel, by_frequency, joined

# Japanese kana and Chinese characters are written without spaces, so each is a word of its own.
_SINGLE = (
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U0001aff0-\U0001b16f\U00020000-\U0003ffff"
)
# `\w` does not match marks, which belong to the character before them.
_MARK = f"[{MARKS}{JOINERS}]"
_LETTERS = rf"[^\W{_SINGLE}]+(?:{_MARK}+[^\W{_SINGLE}]*)*|(?=\w)[{_SINGLE}]{_MARK}*"
# Emoji may have a skin colour, and several joined ones are one.
_EMOJI_MARK = f"[{MARKS}{TAGS}\U0001f3fb-\U0001f3ff]"
_INVISIBLE = f"{SPACE}{JOINERS}{TAGS}"
_SYMBOL = rf"[^\s{_INVISIBLE}]{_EMOJI_MARK}*(?:\u200d[^\s\w{_INVISIBLE}]{_EMOJI_MARK}*)*"
# Of text in ASCII, which is most of it, and of any other.
_WORD = (re.compile(r"\w+"), re.compile(_LETTERS))
_WORD_OR_PUNCTUATION = (re.compile(r"\w+|\S"), re.compile(rf"{_LETTERS}|{_SYMBOL}"))
WORD_OR_SYMBOL = _WORD_OR_PUNCTUATION[1]
"""A word in a text that is neither composed nor lower-cased, or another character that is no space."""


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
        words = by_frequency(all_parts(texts), _SPLIT[self.punctuation], self.min_count)
        tokens = (*specials(running=running), *words)[: self.max_size]
        vocabulary = running_vocabulary(tokens, "\n") if running else sequence_vocabulary(tokens)
        return _UnicodeWords(vocabulary, punctuation=self.punctuation)

    @override
    def restore(self, spec: Spec) -> Tokenizer:
        return _UnicodeWords(vocabulary_from(spec), punctuation=spec["punctuation"])


class _UnicodeWords(WordLevel):
    encodes_parts: ClassVar[bool] = True

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
    """Lower-case runs of letters and digits with their marks, case-folded and in Unicode normal form C.

    Invisible characters within a word do not split it, but for the space without width.

    >>> unicode_words("Don't! Café no. 7 映画 ФИЛЬМ")
    ['don', 't', 'café', 'no', '7', '映', '画', 'фильм']
    """
    return _split(text, *_WORD)


def words_and_punctuation(text: str) -> list[str]:
    """The words of `unicode_words`, and every other character that is not whitespace.

    >>> words_and_punctuation("Don't! 7 %")
    ['don', "'", 't', '!', '7', '%']
    """
    return _split(text, *_WORD_OR_PUNCTUATION)


def _split(text: str, ascii_word: re.Pattern[str], word: re.Pattern[str]) -> list[str]:
    if text.isascii():
        return ascii_word.findall(text.lower())
    # Composed and decomposed accents look the same, so they must give the same word. Case folding and removal
    # bring characters together, hence the order of their marks is settled before and after it.
    return word.findall(composed(composed(without_format(composed(text))).casefold()))


_SPLIT = {False: unicode_words, True: words_and_punctuation}
