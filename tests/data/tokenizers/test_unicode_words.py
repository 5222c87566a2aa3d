import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab.data.tokenizers.tokenizer import tokenizer_from
from seqlab.data.tokenizers.unicode_words import UnicodeWordsConfig, unicode_words, words_and_punctuation
from seqlab.data.tokenizers.words import ascii_words
from seqlab.schema.errors import UserError


def test_words_of_many_alphabets():
    assert unicode_words("İstanbul'da ÇOK güzel") == ["i̇stanbul", "da", "çok", "güzel"]
    assert unicode_words("हिन्दी में") == ["हिन्दी", "में"]
    assert unicode_words("cafe\u0301 = café") == ["café", "café"]
    assert unicode_words("見る人") == ["見", "る", "人"]
    assert unicode_words("!?… <br/>") == ["br"]


@given(st.text(st.characters(codec="ascii")))
def test_ascii_text_has_the_same_words_as_ascii_words(text: str):
    text = re.sub("[0-9_]", " ", text)
    assert unicode_words(text) == ascii_words(text)


@given(st.text(), st.text())
def test_joined_texts_have_the_words_of_both(one: str, other: str):
    assert unicode_words(f"{one} ! {other}") == unicode_words(one) + unicode_words(other)


def test_rare_words_are_omitted():
    tokenizer = UnicodeWordsConfig(min_count=2, max_size=5).train(["a a b b c"])
    assert tokenizer.vocabulary.tokens == (".pad", ".start", ".end", ".unk", "a")


def test_punctuation_is_kept_if_requested():
    texts = ["No, not bad... (really)!", "été: 映画?"]
    tokenizer = UnicodeWordsConfig(punctuation=True).train(texts)
    ids = [tokenizer.encode(text) for text in texts]
    assert [tokenizer.decode(part) for part in ids] == ["no , not bad . . . ( really ) !", "été : 映 画 ?"]
    restored = tokenizer_from(tokenizer.spec())
    assert [restored.encode(text) for text in texts] == ids


@given(st.text())
def test_punctuation_adds_tokens_and_changes_no_word(text: str):
    words = set(unicode_words(text))
    assert [token for token in words_and_punctuation(text) if token in words] == unicode_words(text)


def test_a_spec_without_its_setting_is_refused():
    spec = UnicodeWordsConfig().train(["a, b"]).spec()
    del spec["punctuation"]
    with pytest.raises(UserError, match="spec must be what"):
        tokenizer_from(spec)
