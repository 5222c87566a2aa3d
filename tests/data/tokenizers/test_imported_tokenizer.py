"""Tokenizers of the user's own: the vocabulary that a function's tokens make, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import own_data
import pytest

from seqlab.data.data_kinds import TOKENIZERS
from seqlab.data.tokenizers.tokenizer import TokenizerConfig, tokenizer_from
from seqlab.schema.config import parse
from seqlab.schema.errors import UserError

FILE = Path(own_data.__file__)


def config(name: str, **settings: Any) -> TokenizerConfig:
    return parse(TOKENIZERS["import"], {"kind": "import", "path": f"{FILE}:{name}", **settings})


def test_the_most_frequent_tokens_come_first() -> None:
    tokenizer = config("pairs", joiner="").train(["banana", "nab"])
    assert tokenizer.vocabulary.tokens == (".pad", ".start", ".end", ".unk", "na", "b", "ba")
    assert tokenizer.encode("banab") == [6, 4, 5]
    assert tokenizer.decode([1, *tokenizer.encode("bananaxx"), 2]) == "banana.unk"


def test_settings_decide_the_vocabulary() -> None:
    base = ("banana", "nab")
    assert config("pairs", min_count=2).train(base).vocabulary.tokens[4:] == ("na",)
    assert config("pairs", max_size=6).train(base).vocabulary.tokens[4:] == ("na", "b")
    tokens = config("pairs", arguments={"size": 3}).train(base).vocabulary.tokens[4:]
    assert tokens == ("ana", "ban", "nab")


def test_tokens_spelled_like_special_ones_are_unknown() -> None:
    tokenizer = config("words").train(["a .pad .unk a"])
    assert tokenizer.vocabulary.tokens[4:] == ("a",)
    assert tokenizer.encode("a .pad .unk") == [4, 3, 3]


def test_a_spec_needs_the_settings_and_names_no_folder() -> None:
    made = config("words")
    tokenizer = made.train(["a b a"])
    spec = json.loads(json.dumps(tokenizer.spec()))
    assert str(FILE.parent) not in json.dumps(spec)
    assert tokenizer_from(spec, made).encode("b a c") == tokenizer.encode("b a c")
    for other in (None, parse(TOKENIZERS["characters"], {})):
        with pytest.raises(UserError, match=r"A tokenizer's spec must be what `spec\(\)` wrote"):
            tokenizer_from(spec, other)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("text_again", "must return a list of texts. Got str"),
        ("ids", "must return a list of texts. Got a list with int"),
        ("breaks", r"own_data.py:\d+ failed while it split a text: AttributeError"),
        ("other_each_time", "the same tokens for a text each time. Got others the second time for 'a b'"),
        ("surrogate", r"A token of own_data.py:surrogate must be UTF-8. Got '\\ud800'"),
        ("sentences", "must take a text as its first arguments. Got the arguments none"),
        ("pair", "Nearest: 'pairs'"),
        ("Splitter", "must be a function that is called with a text. Got a class. Nearest: a function that"),
    ],
)
def test_what_is_no_tokenizer_is_refused(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        config(name).train(["a b"])
