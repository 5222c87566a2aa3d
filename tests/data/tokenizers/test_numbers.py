"""Tokens that are numbers: encoded and decoded on their grids."""

from __future__ import annotations

import pytest

from seqlab.data.tokenizers.numbers import NumbersConfig
from seqlab.data.tokenizers.tokenizer import tokenizer_from
from seqlab.schema.config import parse
from seqlab.schema.errors import UserError

PAIRS = NumbersConfig(grids=("-1.00 to 1.00", "-1 to 1"))


def test_every_combination_is_a_token_and_has_its_numbers() -> None:
    vocabulary = PAIRS.train([]).vocabulary
    assert len(vocabulary) == 201 * 3
    assert vocabulary.numbers is not None
    for token, numbers in zip(vocabulary.tokens, vocabulary.numbers, strict=True):
        assert tuple(float(part) for part in token.split(",")) == numbers
    assert sorted(set(vocabulary.numbers)) == list(vocabulary.numbers)
    assert (vocabulary.pad, vocabulary.start, vocabulary.end, vocabulary.unknown) == (None,) * 4
    assert not vocabulary.running


def test_texts_are_reproduced_and_a_batch_equals_its_texts_one_by_one() -> None:
    tokenizer = PAIRS.train([])
    texts = ["0.25,1 -1.00,-1", "", "1.00,0"]
    tokens, offsets = tokenizer.encode_batch(texts)
    assert offsets.tolist() == [0, 2, 2, 3]
    for text, begin, end in zip(texts, offsets[:-1], offsets[1:], strict=True):
        assert tokens[begin:end].tolist() == tokenizer.encode(text)
        assert tokenizer.decode(tokens[begin:end].tolist()) == text


def test_a_spec_gives_the_same_tokenizer() -> None:
    tokenizer = PAIRS.train([])
    again = tokenizer_from(tokenizer.spec())
    assert again.vocabulary == tokenizer.vocabulary
    assert again.spec() == tokenizer.spec()


@pytest.mark.parametrize("token", ["0.5,1", "0.50", "2.00,1", "0.50,0.50", "x,1"])
def test_tokens_off_the_grids_are_refused(token: str) -> None:
    wanted = r"must be 2 numbers joined by commas, written as in -1.00 to 1.00, -1 to 1. Got '" + token
    with pytest.raises(UserError, match=wanted):
        PAIRS.train([]).encode(f"0.00,0 {token}")


@pytest.mark.parametrize(
    ("grid", "words"),
    [
        ("2 to 1", r"'grids' must begin with the lowest number. Got '2 to 1'"),
        ("0.000000 to 99.000000", r"at most 1,000,000 combinations. Got 99,000,001"),
        (
            "0.0 to 1",
            r"'grids' must be written as '0.00 to 1.00', with equally many decimals.* Got '0.0 to 1'",
        ),
        ("0 bis 1", r"Got '0 bis 1'"),
        ("0. to 1.", r"Got '0. to 1.'"),
        ("0.0000000 to 1.0000000", r"at most 6. Got '0.0"),
    ],
)
def test_impossible_grids_are_refused(grid: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        parse(NumbersConfig, {"kind": "numbers", "grids": [grid]})


def test_running_text_is_refused() -> None:
    with pytest.raises(UserError, match=r"must not be 'numbers' for running text"):
        PAIRS.train([], running=True)
