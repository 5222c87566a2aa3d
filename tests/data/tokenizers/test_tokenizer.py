import itertools
import json
import re
import unicodedata

import numpy as np
import own_data
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from seqlab.data.data_kinds import TOKENIZERS
from seqlab.data.tokenizers.byte_level import BytesConfig
from seqlab.data.tokenizers.characters import CharactersConfig
from seqlab.data.tokenizers.marks import MARKS
from seqlab.data.tokenizers.tokenizer import Tokenizer, tokenizer_from
from seqlab.data.tokenizers.whitespace import WhitespaceConfig
from seqlab.data.tokenizers.words import WordsConfig
from seqlab.schema.config import parse
from seqlab.schema.errors import UserError

TEXTS = st.lists(st.text(), max_size=5)
NO_SURROGATES = st.text(st.characters(exclude_categories=("Cs",)))


def texts_of(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    tokens, offsets = tokenizer.encode_batch(texts)
    assert tokens.dtype == np.int32
    assert offsets.dtype == np.int64
    assert len(offsets) == len(texts) + 1
    assert offsets[-1] == len(tokens)
    return [tokens[begin:end].tolist() for begin, end in itertools.pairwise(offsets)]


@given(TEXTS)
def test_words_follow_the_plain_rule(texts: list[str]):
    tokenizer = WordsConfig().train(texts)
    for text, ids in zip(texts, texts_of(tokenizer, texts), strict=True):
        # A letter with a mark is another letter, with or without a composed form.
        composed = re.sub(f"[A-Za-z][{MARKS}]+", " ", unicodedata.normalize("NFC", text))
        # Of ASCII letters only: as Unicode, the long s would become an s.
        lowered = "".join(c.lower() if c.isascii() else " " for c in composed)
        assert tokenizer.vocabulary.names(ids) == re.sub("[^a-z]", " ", lowered).split()


def test_words_are_ordered_by_frequency_then_alphabetically():
    tokenizer = WordsConfig().train(["b a c", "c b", "c"])
    assert tokenizer.vocabulary.tokens == (".pad", ".start", ".end", ".unk", "c", "b", "a")
    assert tokenizer.vocabulary.special == {0, 1, 2}


@pytest.mark.parametrize(
    ("kind", "running"), [(kind, running) for kind in TOKENIZERS for running in {False, kind != "numbers"}]
)
def test_frequent_tokens_come_first_where_a_tokenizer_says_so(kind: str, running: bool):
    """Counted in the text it was trained on, special and unknown tokens aside."""
    own = {"path": f"{own_data.__file__}:words"} if kind == "import" else {}
    texts = ["e d d c c c\nb b b b a a a a a z z z z z z\n"] if kind != "numbers" else ["5 5 1"]
    tokenizer = parse(TOKENIZERS[kind], {"kind": kind, **own}).train(texts, running=running)
    vocabulary = tokenizer.vocabulary
    counts = np.bincount(tokenizer.encode_batch(texts).tokens, minlength=len(vocabulary))
    words = [count for i, count in enumerate(counts) if i not in {*vocabulary.special, vocabulary.unknown}]
    assert tokenizer.frequent_first is (words == sorted(words, reverse=True))


def test_max_size_includes_special_tokens_and_min_count_counts_occurrences():
    texts = ["a a a b b c"]
    assert WordsConfig(max_size=6).train(texts).vocabulary.tokens[4:] == ("a", "b")
    assert WordsConfig(min_count=2).train(texts).vocabulary.tokens[4:] == ("a", "b")
    assert WhitespaceConfig(max_size=6).train(texts).vocabulary.tokens[3:] == ("<unk>", "a", "b")
    running = WhitespaceConfig(min_count=3).train(texts, running=True)
    assert running.vocabulary.tokens == ("<unk>", "a")


def test_running_text_has_no_padding_start_or_end_token():
    for config in (WordsConfig(), WhitespaceConfig(), CharactersConfig(), BytesConfig()):
        vocabulary = config.train(["a b\nb\n"], running=True).vocabulary
        assert vocabulary.pad is None
        assert vocabulary.end is None
        assert not vocabulary.special
        assert not {".pad", ".start", ".end"} & set(vocabulary.tokens)


def test_running_text_starts_after_a_line_break_or_the_unknown_token():
    def start(config: CharactersConfig | WhitespaceConfig | WordsConfig | BytesConfig, text: str) -> str:
        vocabulary = config.train([text], running=True).vocabulary
        assert vocabulary.start is not None
        return vocabulary.tokens[vocabulary.start]

    assert start(CharactersConfig(), "a\nb") == "\n"
    assert start(CharactersConfig(), "ab") == ".unk"
    assert start(WhitespaceConfig(), "a\nb") == "<eos>"
    assert start(WhitespaceConfig(end_of_line=""), "a\nb") == "<unk>"
    assert start(WordsConfig(), "a\nb") == ".unk"
    assert start(BytesConfig(), "") == "\n"


def test_a_word_spelled_like_padding_is_not_padding():
    tokenizer = WhitespaceConfig().train([".pad .end a"])
    assert texts_of(tokenizer, [".pad a .start"]) == [[3, 4, 3]]
    running = WhitespaceConfig().train([".pad .end a"], running=True)
    assert running.vocabulary.pad is None
    assert running.decode(running.encode(".pad a")) == ".pad a"


def test_an_unknown_word_without_an_unknown_token_is_named():
    tokenizer = WhitespaceConfig(unknown="").train(["a b\nc"], running=True)
    with pytest.raises(UserError, match=r"one of the vocabulary's 4, .* Got 'dog'\."):
        tokenizer.encode_batch(["a b", "c dog cat"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"unknown": "two words"}, "'unknown' must be one token without whitespace. Got 'two words'"),
        ({"end_of_line": ".pad"}, "'end_of_line' must be one token"),
        ({"unknown": "", "min_count": 2}, "'unknown' must not be empty where"),
    ],
)
def test_whitespace_refuses_settings_that_cannot_work(settings: dict[str, object], message: str):
    with pytest.raises(UserError, match=message):
        parse(WhitespaceConfig, {"kind": "whitespace", **settings})


def test_a_vocabulary_too_small_for_a_word_is_refused():
    with pytest.raises(ValidationError, match="greater than or equal to 5"):
        WordsConfig(max_size=4)


@given(TEXTS)
def test_characters_and_their_lengths(texts: list[str]):
    tokenizer = CharactersConfig().train(texts)
    assert list(tokenizer.vocabulary.tokens[4:]) == sorted({c for text in texts for c in text})
    for text, ids in zip(texts, texts_of(tokenizer, texts), strict=True):
        assert tokenizer.vocabulary.names(ids) == list(text)


@given(st.text("abc"), st.text())
def test_characters_of_another_text_are_unknown(train: str, text: str):
    tokenizer = CharactersConfig().train([train])
    expected = "".join(c if c in train else ".unk" for c in text)
    assert tokenizer.decode(tokenizer.encode(text)) == expected


@given(st.lists(NO_SURROGATES, max_size=5), st.booleans())
def test_bytes_round_trip(texts: list[str], running: bool):
    tokenizer = BytesConfig().train([], running=running)
    assert len(tokenizer.vocabulary) == (256 if running else 259)
    for text, ids in zip(texts, texts_of(tokenizer, texts), strict=True):
        assert bytes(ids) == text.encode()
        assert tokenizer.decode(ids) == text


def test_decoding_omits_special_tokens_and_shows_the_unknown_one():
    for config in (WordsConfig(), CharactersConfig(), WhitespaceConfig(), BytesConfig()):
        tokenizer = config.train(["a"])
        vocabulary = tokenizer.vocabulary
        around = [
            vocabulary.id(".start"),
            *tokenizer.encode("a"),
            vocabulary.id(".end"),
            vocabulary.id(".pad"),
        ]
        assert tokenizer.decode(around) == "a"
    assert WordsConfig().train(["a"]).decode([4, 3]) == "a .unk"


@given(st.lists(st.lists(st.sampled_from(["a", "bb", "c."]), max_size=3), max_size=4))
def test_whitespace_tokens_decode_to_the_same_lines(lines: list[list[str]]):
    text = "".join(f"{' '.join(line)}\n" for line in lines)
    tokenizer = WhitespaceConfig().train([text, "a bb c.\n"], running=True)
    assert tokenizer.decode(tokenizer.encode(text)) == text


def words_with(**changed: object) -> dict[str, object]:
    """The vocabulary of a spec, with other values for some parts of it."""
    parts = {"tokens": [".pad", ".start", ".end", ".unk"], "pad": 0, "start": 1, "end": 2, "unknown": 3}
    return {**parts, "numbers": None, **changed}


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"kind": 3},
        {"kind": "words"},
        {"kind": "bytes"},
        {"kind": "words", "vocabulary": 3},
        {"kind": "words", "vocabulary": words_with(tokens="abcd")},
        {"kind": "words", "vocabulary": words_with(tokens=[["a"], "b", "c", "d"])},
        {"kind": "words", "vocabulary": words_with(tokens=["a", "a", "b", "c"])},
        {"kind": "words", "vocabulary": words_with(pad=9)},
        {"kind": "words", "vocabulary": words_with(pad=-1)},
        {"kind": "words", "vocabulary": words_with(pad="0")},
        {"kind": "words", "vocabulary": words_with(pad=True)},
        {"kind": "words", "vocabulary": words_with(pad=10**5000)},
        {"kind": "characters", "vocabulary": words_with(unknown=None)},
    ],
)
def test_a_broken_spec_is_refused(spec: dict[str, object]):
    with pytest.raises(UserError, match="spec must be what"):
        tokenizer_from(spec)


def test_a_spec_survives_json():
    for config in (WordsConfig(), WhitespaceConfig(), CharactersConfig(), BytesConfig()):
        for running in (False, True):
            tokenizer = config.train(["to be\nor not"], running=running)
            again = tokenizer_from(json.loads(json.dumps(tokenizer.spec())))
            assert again.vocabulary == tokenizer.vocabulary
            assert again.encode("be not\n!") == tokenizer.encode("be not\n!")
