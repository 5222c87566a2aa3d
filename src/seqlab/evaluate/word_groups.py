"""The words of a text that a tokenizer has split into tokens. Legend: T tokens, W words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqlab.data.dataset import Limit
from seqlab.data.tokenizers.spans import Span, matched
from seqlab.data.tokenizers.tokenizer import Tokenizer
from seqlab.data.tokenizers.unicode_words import WORD_OR_SYMBOL
from seqlab.schema.text_explanation import STATUSES, WordStatus

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class WordGroup:
    """A word and its tokens, numbered from the first one that is read; `tokens` is empty where none is.

    span: of the word in the text; None where positions are not known. text: how it is written. names: of its
    tokens, unless they differ between several models. status: whether it is read.
    """

    text: str
    span: Span | None
    tokens: Integers
    names: tuple[str, ...]
    status: WordStatus


NO_WORD = WordGroup("", (0, 0), np.zeros(0, dtype=np.int64), (), "cut")
"""Leaving it out leaves a text as it is."""


@dataclass(frozen=True)
class ReadText:
    """A text as it is read: the ids of its tokens (T,), and its words, cut ones among them.

    Where several models read it by different tokens, each word counts as one token, without an id.
    """

    text: str
    tokens: Integers
    words: Sequence[WordGroup]

    @property
    def words_read(self) -> list[WordGroup]:
        """The words that have a token that is read."""
        return [word for word in self.words if len(word.tokens)]


def read_text(text: str, tokenizer: Tokenizer, limit: Limit) -> ReadText:
    """The tokens and words of a text that is cut to a limit.

    A word is a run of letters and digits or a single symbol, and more where a token is longer. A text of one
    word alone is divided into its tokens.
    """
    ids = np.array(tokenizer.encode(text), dtype=np.int64)
    kept = _kept(len(ids), limit)
    spans = tokenizer.spans(text)
    names = tokenizer.vocabulary.names(ids.tolist())
    if spans is None or len(spans) != len(ids):
        groups = [(name, None, [index]) for index, name in enumerate(names)]
    else:
        groups = [(text[slice(*span)], span, tokens) for span, tokens in _grouped(text, spans)]
    unknown = tokenizer.vocabulary.unknown
    words: list[WordGroup] = []
    for word, span, tokens in groups:
        read = np.array([index for index in tokens if index in kept], dtype=np.int64)
        status = _status(ids[read], unknown)
        words.append(WordGroup(word, span, read - kept.start, tuple(names[i] for i in read), status))
    return ReadText(text, ids[kept.start : kept.stop], words)


def read_by_all(text: str, readings: Sequence[ReadText]) -> ReadText:
    """The words of a text that several models read by different tokens: what is one word for any of them.

    A word counts as read if any model reads it. Spaces between words are none.
    """
    found: list[tuple[Span | None, WordStatus]] = [
        (word.span, word.status) for reading in readings for word in reading.words
    ]
    known = [(span, status) for span, status in found if span is not None and text[slice(*span)].strip()]
    if any(span is None for span, _ in found):  # a model that may read every word
        known += [(span, "read") for span in matched(WORD_OR_SYMBOL, text)]
    words: list[WordGroup] = []
    count = 0
    for span, numbers in _merged([(number, span) for number, (span, _) in enumerate(known)]):
        among = {known[number][1] for number in numbers}
        status: WordStatus = next(each for each in STATUSES if each in among)
        tokens = np.arange(count, count + (status != "cut"), dtype=np.int64)
        words.append(WordGroup(text[slice(*span)], span, tokens, (), status))
        count += len(tokens)
    return ReadText(text, np.arange(count, dtype=np.int64), words)


def without_span(text: str, span: Span) -> str:
    """The text without a word; what it separates stays separate.

    >>> without_span("it's", (2, 3)), without_span("it, is", (2, 3)), without_span("it", (0, 0))
    ('it s', 'it is', 'it')
    """
    before, after = text[: span[0]], text[span[1] :]
    joins = before[-1:].strip() and after[:1].strip()
    return f"{before} {after}" if joins else before + after


def _kept(count: int, limit: Limit) -> range:
    """The tokens that a limit leaves of so many."""
    if limit.max_length is None or count <= limit.max_length:
        return range(count)
    return range(limit.max_length) if limit.keep == "first" else range(count - limit.max_length, count)


def _status(ids: Integers, unknown: int | None) -> WordStatus:
    """Of a word of which these ids are read."""
    if not len(ids):
        return "cut"
    return "unknown" if unknown is not None and (ids == unknown).all() else "read"


def _grouped(text: str, spans: Sequence[Span]) -> list[tuple[Span, list[int]]]:
    """Words with their tokens, in order.

    >>> _grouped("a film, ", [(0, 1), (1, 4), (4, 6), (6, 7)])
    [((0, 1), [0]), ((2, 6), [1, 2]), ((6, 7), [3])]
    """
    stripped = [_stripped(text, span) for span in spans]
    found = list(_merged([*enumerate(stripped), *((None, span) for span in matched(WORD_OR_SYMBOL, text))]))
    return found if len(found) > 1 else list(_merged(list(enumerate(stripped))))


def _merged(spans: Sequence[tuple[int | None, Span]]) -> Iterator[tuple[Span, list[int]]]:
    """Spans that overlap as one, with the numbers of those that have one; without any they are left out."""
    begin, end = -1, -1
    tokens: list[int] = []
    for number, (start, stop) in sorted(spans, key=lambda one: one[1]):
        if start >= end:
            if tokens:
                yield (begin, end), tokens
            begin, end, tokens = start, stop, []
        end = max(end, stop)
        tokens += [] if number is None else [number]
    if tokens:
        yield (begin, end), tokens


def _stripped(text: str, span: Span) -> Span:
    """A span without the spaces at its ends, unless it has nothing else."""
    begin, end = span
    part = text[begin:end]
    if not part.strip():
        return span
    return begin + len(part) - len(part.lstrip()), begin + len(part.rstrip())
