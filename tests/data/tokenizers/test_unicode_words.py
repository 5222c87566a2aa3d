import re
import unicodedata
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab.data.tokenizers.marks import MARKS
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


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ดี ดุ ที่นี่", ["ดี", "ดุ", "ที่นี่"]),
        ("हिन्दी क्षत्रिय कि", ["हिन्दी", "क्षत्रिय", "कि"]),
        ("مُحَمَّد می\u200cروم", ["مُحَمَّد", "می\u200cروم"]),
        ("שָׁלוֹם, עולם", ["שָׁלוֹם", "עולם"]),
        ("မြန်မာ ខ្មែរ", ["မြန်မာ", "ខ្មែរ"]),
        ("x\u0304 o\u0328\u0304", ["x\u0304", "\u01ed"]),
        ("1\ufe0f\u20e3", ["1\ufe0f\u20e3"]),
        ("か\u3099き", ["が", "き"]),
        ("\u2764\ufe0f", []),
    ],
)
def test_marks_belong_to_their_letter_in_every_script(text: str, words: list[str]):
    assert unicode_words(text) == words
    for form in ("NFC", "NFD"):
        assert unicode_words(unicodedata.normalize(form, text)) == words
    letters = re.sub(r"[\s,]", "", text)
    assert "".join(words_and_punctuation(letters)) == unicodedata.normalize("NFC", letters)


def test_a_joined_emoji_is_one_symbol():
    family, coder, heart = "👩\u200d👩\u200d👧", "👩🏽\u200d💻", "❤\ufe0f"
    assert words_and_punctuation(f"{family} {coder}{heart}!") == [family, coder, heart, "!"]


def test_the_marks_are_all_those_of_unicode():
    mark = re.compile(f"[{MARKS}]")
    for point in range(0x110000):
        found = unicodedata.category(chr(point)).startswith("M")
        assert (mark.match(chr(point)) is not None) == found, hex(point)


def test_a_letter_with_an_accent_is_no_ascii_letter_however_it_is_written():
    for text in ("café x̄y", unicodedata.normalize("NFD", "café x̄y")):
        assert ascii_words(text) == ["caf", "y"]


DIRECTIONS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def invisible_characters() -> Iterator[str]:
    """Characters of Unicode's category Format that are not drawn: neutral ones, and marks of direction."""
    for character in filter(lambda one: unicodedata.category(one) == "Cf", map(chr, range(0x110000))):
        if unicodedata.bidirectional(character) in {"BN", *DIRECTIONS} or character in "\u061c\u200e\u200f":
            yield character


def test_invisible_characters_change_no_word():
    found = list(invisible_characters())
    assert {"\u00ad", "\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u202e"} <= set(found)
    for split in (unicode_words, words_and_punctuation):
        for one in found:
            for before, after in (("Naï", "ve"), ("при", "вет"), ("e", "\u0301a"), ("7", "8")):
                text = f"{before}{one}{after}"
                visible = unicodedata.normalize("NFC", before + after).casefold()
                if one == "\u200b":
                    assert split(f"a{one}b") == ["a", "b"]
                elif not (one == "\u00ad" and after[0] == "\u0301"):  # a mark on a hyphen
                    assert split(text) == [visible], ascii(one)
            if one != "\u00ad":
                assert split(f"a {one} b{one}{one}") == ["a", "b"], ascii(one)
    assert unicode_words("\u0645\u06cc\u200c\u0631 \u0645\u06cc\u0631") == [
        "\u0645\u06cc\u200c\u0631",
        "\u0645\u06cc\u0631",
    ]
    assert unicode_words("a\u00ad\u2060\u200d\u00adb") == ["ab"]


def test_a_soft_hyphen_outside_of_words_is_a_symbol():
    assert words_and_punctuation("the point\u00ad. A \u00ad b") == [
        "the",
        "point",
        "\u00ad",
        ".",
        "a",
        "\u00ad",
        "b",
    ]
    assert unicode_words("the point\u00ad. A \u00ad b") == ["the", "point", "a", "b"]


def test_the_flag_of_a_region_is_one_symbol():
    england, scotland = (
        "\U0001f3f4" + "".join(chr(0xE0000 + ord(letter)) for letter in region) + "\U000e007f"
        for region in ("gbeng", "gbsct")
    )
    assert words_and_punctuation(f"{england}{scotland}!") == [england, scotland, "!"]


def test_every_chinese_or_japanese_letter_is_a_word():
    scripts = ("CJK UNIFIED IDEOGRAPH", "CJK COMPATIBILITY IDEOGRAPH", "HIRAGANA LETTER", "KATAKANA LETTER")
    letters = [one for one in map(chr, range(0x110000)) if unicodedata.name(one, "").startswith(scripts)]
    assert len(letters) > 90_000
    assert {"\U00020000", "\U0002a6df", "\U00030000", "\uf900"} <= set(letters)
    words = unicodedata.normalize("NFC", "".join(letters))
    assert unicode_words("".join(letters)) == list(words)
    assert words_and_punctuation(f"a{'b'.join(letters)}") == [*"a", *"b".join(words)]
    assert unicode_words("\u30a2\u30fb\u30a4") == ["\u30a2", "\u30a4"]


@given(st.text())
def test_words_do_not_depend_on_the_normal_form(text: str):
    for form in ("NFC", "NFD"):
        written = unicodedata.normalize(form, text)
        assert words_and_punctuation(written) == words_and_punctuation(text)
        assert ascii_words(written) == ascii_words(text)


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
