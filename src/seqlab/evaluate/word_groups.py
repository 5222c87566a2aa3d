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

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class WordGroup:
    """A word and its tokens, numbered from the first one that is read; `tokens` is empty where none is.

    span: of the word in the text; None where positions are not known. text: how it is written.
    """

    text: str
    span: Span | None
    tokens: Integers


@dataclass(frozen=True)
class ReadText:
    """A text as a model reads it: the ids of its tokens (T,), and its words, cut ones among them."""

    text: str
    tokens: Integers
    words: Sequence[WordGroup]


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
    words = [WordGroup(word, span, _read(tokens, kept)) for word, span, tokens in groups]
    return ReadText(text, ids[kept.start : kept.stop], words)


def _kept(count: int, limit: Limit) -> range:
    """The tokens that a limit leaves of so many."""
    if limit.max_length is None or count <= limit.max_length:
        return range(count)
    return range(limit.max_length) if limit.keep == "first" else range(count - limit.max_length, count)


def _read(tokens: Sequence[int], kept: range) -> Integers:
    return np.array([index - kept.start for index in tokens if index in kept], dtype=np.int64)


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
