"""What the tokenizers of words share: one id per word, the most frequent words first."""

from __future__ import annotations

from abc import abstractmethod
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from typing import ClassVar

import numpy as np
from typing_extensions import override

from seqlab.data.tokenizers.spans import Span, found_in_order
from seqlab.data.tokenizers.tokenizer import Encoded, Tokenizer, offsets_of
from seqlab.data.tokenizers.vocabulary import Vocabulary
from seqlab.schema.errors import UserError


class WordLevel(Tokenizer):
    """A tokenizer that splits a text into words and looks up each one."""

    frequent_first: ClassVar[bool] = True

    def __init__(self, vocabulary: Vocabulary):
        self.vocabulary = vocabulary
        # A word of the text that is spelled like `.pad` is an unknown word, not padding.
        self._ids = {token: i for token, i in vocabulary.ids.items() if i not in vocabulary.special}

    @abstractmethod
    def split(self, text: str) -> list[str]:
        """The words of a text."""

    @override
    def encode_batch(self, texts: Sequence[str]) -> Encoded:
        unknown = -1 if self.vocabulary.unknown is None else self.vocabulary.unknown
        # An array of C integers: a list of Python integers would need eight times the memory.
        ids, lengths = array("i"), []
        for text in texts:
            words = self.split(text)
            ids.extend(map(self._ids.get, words, repeat(unknown)))
            lengths.append(len(words))
        encoded = Encoded(np.array(ids, dtype=np.int32), offsets_of(lengths))
        if self.vocabulary.unknown is None and (encoded.tokens < 0).any():
            raise self._unknown_word(texts, encoded)
        return encoded

    @override
    def spans(self, text: str) -> list[Span] | None:
        return found_in_order(self.split(text), text)

    def _unknown_word(self, texts: Sequence[str], encoded: Encoded) -> UserError:
        position = int(np.argmax(encoded.tokens < 0))
        text = int(np.searchsorted(encoded.offsets, position, side="right")) - 1
        word = self.split(texts[text])[position - int(encoded.offsets[text])]
        return UserError(
            f"A word must be one of the vocabulary's {len(self.vocabulary)}, "
            f"as 'tokenizer.unknown' is empty. Got {word!r}."
        )


def by_frequency(
    texts: Iterable[str], split: Callable[[str], list[str]], min_count: int, never: tuple[str, ...] = ()
) -> list[str]:
    """Words by decreasing frequency, ties in alphabetical order, without those in `never`."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(split(text))
    common = [(word, count) for word, count in counts.items() if count >= min_count and word not in never]
    return [word for word, _ in sorted(common, key=lambda item: (-item[1], item[0]))]


def joined(vocabulary: Vocabulary, ids: Sequence[int]) -> str:
    """The words of these ids separated by spaces, special tokens left out."""
    special = vocabulary.special
    return " ".join(vocabulary.names([i for i in ids if i not in special]))
