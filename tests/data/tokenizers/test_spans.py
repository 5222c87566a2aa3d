"""Where tokens are in a text, for every tokenizer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab.data.tokenizers.byte_level import BytesConfig
from seqlab.data.tokenizers.characters import CharactersConfig
from seqlab.data.tokenizers.numbers import NumbersConfig
from seqlab.data.tokenizers.spans import found_in_order
from seqlab.data.tokenizers.subwords import BpeConfig, WordPieceConfig
from seqlab.data.tokenizers.tokenizer import Tokenizer
from seqlab.data.tokenizers.unicode_words import UnicodeWordsConfig
from seqlab.data.tokenizers.whitespace import WhitespaceConfig
from seqlab.data.tokenizers.words import WordsConfig

TEXTS = ["a good film, a BAD film", "Größe über café naïve", "שלום 映画 😀 don't"]
WORD_LEVEL: dict[str, Tokenizer] = {
    "words": WordsConfig().train(TEXTS),
    "unicode-words": UnicodeWordsConfig().train(TEXTS),
    "punctuation": UnicodeWordsConfig(punctuation=True).train(TEXTS),
    "whitespace": WhitespaceConfig().train(TEXTS),
    "lines": WhitespaceConfig(end_of_line="").train(TEXTS),
}
ALL: dict[str, Tokenizer] = WORD_LEVEL | {
    "characters": CharactersConfig().train(TEXTS),
    "bytes": BytesConfig().train(TEXTS),
    "bpe": BpeConfig(size=300).train(TEXTS * 9),
    "wordpiece": WordPieceConfig(size=120).train(TEXTS * 9),
}
# Letters of several scripts, marks that compose, cases that fold to several letters, and invisible ones.
ODD = st.text(
    "aBé \t\n.,'-ßİΣς\u0301\u0302\u0307\u0308x\u00ad\u200d\u200b\ufeffשم映가\u1100\u1161\u11a8😀\U0001f3fd1_",
    max_size=30,
)


@pytest.mark.parametrize("name", ALL)
@given(text=st.one_of(ODD, st.text(st.characters(codec="utf-8"), max_size=20)))
def test_each_token_has_a_span_and_they_ascend(name: str, text: str) -> None:
    spans = ALL[name].spans(text)
    ids = ALL[name].encode(text)
    if spans is None:  # a word that the search does not find in the text: seldom, and never a wrong place
        assert name in ("words", "unicode-words", "punctuation")
        assert not text.isascii()
        return
    assert len(spans) == len(ids)
    assert spans == sorted(spans)
    assert all(0 <= begin < end <= len(text) for begin, end in spans)


@pytest.mark.parametrize("name", WORD_LEVEL)
@given(text=ODD)
def test_the_part_of_the_text_alone_gives_the_token(name: str, text: str) -> None:
    tokenizer = WORD_LEVEL[name]
    for (begin, end), token in zip(tokenizer.spans(text) or [], tokenizer.encode(text), strict=False):
        assert tokenizer.encode(text[begin:end]) == [token]


@pytest.mark.parametrize(
    ("name", "text", "parts"),
    [
        ("words", "Don't! A cafe\u0301, naïve", ["Don", "t", "A", "caf", "na", "ve"]),
        ("words", "x\u0302 x", ["x"]),
        ("unicode-words", "GRÖSSE Größe co\u00adop", ["GRÖSSE", "Größe", "co\u00adop"]),
        ("unicode-words", "\u1112\u1161\u11ab 映画", ["\u1112\u1161\u11ab", "映", "画"]),
        ("punctuation", "(e\u0301!)", ["(", "e\u0301", "!", ")"]),
        ("whitespace", "a, b\nc", ["a,", "b", "\n", "c"]),
        ("lines", "a, b\nc", ["a,", "b", "c"]),
        ("bytes", "né", ["n", "é", "é"]),
        ("characters", "n é", ["n", " ", "é"]),
    ],
)
def test_spans_by_hand(name: str, text: str, parts: list[str]) -> None:
    assert [text[begin:end] for begin, end in ALL[name].spans(text) or []] == parts


def test_numbers_are_between_spaces() -> None:
    assert NumbersConfig(grids=("0 to 9", "0 to 1")).train([]).spans(" 3,1  4,0") == [(1, 4), (6, 9)]


def test_words_that_are_not_in_the_text_have_no_position() -> None:
    assert found_in_order(["run", "b"], "running B") == [(0, 3), (8, 9)]
    assert found_in_order(["be"], "was") is None
    assert found_in_order(["b", "a"], "a b") is None
