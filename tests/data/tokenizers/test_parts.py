"""The parts of a long text have the tokens of the whole, whatever its characters are."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from seqlab.data.data_kinds import TOKENIZERS
from seqlab.data.tokenizers.tokenizer import PART, Tokenizer, parts
from seqlab.schema.config import parse

SETTINGS = {
    "bpe": {"size": 300},
    "wordpiece": {"size": 400},
    "numbers": {"grids": ["0 to 9"]},
    "unicode-words": {"punctuation": True},
}
# Spaces, line breaks and control characters, marks and joiners, a final sigma, apostrophes, kana and emoji.
CHARACTERS = "aB7  \n\t\x1c\u00a0\u3000'\u2019.,-ΣσİßéÅ\u0301\u200d\u0915\u094dカ映👍🏽"
TEXTS = st.text(st.sampled_from(CHARACTERS), max_size=60)
# Texts of one's own tokenizer are never cut, because its words may cross any border.
KINDS = [kind for kind in TOKENIZERS if kind not in ("numbers", "import")]


def trained(kind: str, texts: list[str], *, running: bool = False) -> Tokenizer:
    config = parse(TOKENIZERS[kind], {"kind": kind, **SETTINGS.get(kind, {})})
    return config.train(texts, running=running)


@given(text=TEXTS, size=st.integers(1, 20))
def test_parts_are_the_text_and_begin_with_a_space_between_two_others(text: str, size: int) -> None:
    found = list(parts(text, size))
    assert "".join(found) == text
    for part, following in pairwise(found):
        assert len(part) >= size
        assert not part[-1].isspace()
        assert following[0] == " "
        assert not following[1].isspace()


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60)
@example(text="a  B \u0301a \u2019s 's σΣ 映 カ a", size=1)
@given(text=TEXTS, size=st.integers(1, 8))
def test_ids_of_the_parts_are_those_of_the_text(kind: str, text: str, size: int) -> None:
    tokenizer = _TOKENIZERS.setdefault(kind, trained(kind, [CHARACTERS, "a b 's ab ba a7"]))
    assert tokenizer.encodes_parts
    ids = [token for part in parts(text, size) for token in tokenizer.encode(part)]
    assert ids == tokenizer.encode(text)


_TOKENIZERS: dict[str, Tokenizer] = {}


def test_ids_of_numbers() -> None:
    tokenizer = trained("numbers", [])
    assert tokenizer.encodes_parts
    assert [tokenizer.encode(part) for part in parts("1 2  3 4", 1)] == [[1], [2, 3], [4]]


@pytest.mark.parametrize("kind", KINDS)
def test_a_vocabulary_of_one_long_text_is_that_of_its_pieces(kind: str) -> None:
    pieces = [" It's", " a", " déjà", " vu,", " again", " and", " again!"] * (PART // 12)
    whole = "".join(pieces)
    assert len(whole) > 2 * PART
    one, several = (trained(kind, texts) for texts in ([whole], pieces))
    assert one.vocabulary == several.vocabulary
