import re

from hypothesis import given
from hypothesis import strategies as st

from seqlab.data.unicode_words import UnicodeWordsConfig, unicode_words
from seqlab.data.words import crude_words


def test_words_of_many_alphabets():
    assert unicode_words("İstanbul'da ÇOK güzel") == ["i̇stanbul", "da", "çok", "güzel"]
    assert unicode_words("हिन्दी में") == ["हिन्दी", "में"]
    assert unicode_words("cafe\u0301 = café") == ["café", "café"]
    assert unicode_words("見る人") == ["見", "る", "人"]
    assert unicode_words("!?… <br/>") == ["br"]


@given(st.text(st.characters(codec="ascii")))
def test_of_ascii_letters_it_finds_what_crude_words_finds(text: str):
    text = re.sub("[0-9_]", " ", text)
    assert unicode_words(text) == crude_words(text)


@given(st.text(), st.text())
def test_texts_are_words_joined(one: str, other: str):
    assert unicode_words(f"{one} ! {other}") == unicode_words(one) + unicode_words(other)


def test_rare_words_are_left_out():
    tokenizer = UnicodeWordsConfig(min_count=2, max_size=5).train(["a a b b c"])
    assert tokenizer.vocabulary.tokens == (".pad", ".start", ".end", ".unk", "a")
