import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab.data.tokenizers import subwords
from seqlab.data.tokenizers.subwords import BpeConfig, WordPieceConfig
from seqlab.data.tokenizers.tokenizer import tokenizer_from
from seqlab.schema.errors import UserError

TEXTS = ["the lower the better, the newest the better\n", "Größe matters: wider and wider\n"] * 4
BPE = BpeConfig(size=294).train(TEXTS)
TRAIN = """
from seqlab.data.tokenizers import subwords
from seqlab.data.tokenizers.subwords import WordPieceConfig, BpeConfig
texts = ["%s" % " ".join(f"{a}{b}{c}" for a in "xyz" for b in "uvw" for c in "rst")] * 3
for config in (WordPieceConfig(size=45), BpeConfig(size=290)):
    print(config.train(texts).vocabulary.tokens)
"""


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_bpe_reproduces_every_text(text: str):
    assert BPE.decode(BPE.encode(text)) == text


def test_bpe_merges_what_is_frequent():
    assert BPE.vocabulary.names(BPE.encode("the lower")) == ["the", "Ġlower"]
    assert len(BPE.vocabulary) == 294


def test_bpe_lower_case():
    tokenizer = BpeConfig(size=260, lower_case=True).train(["a"])
    assert tokenizer.decode(tokenizer.encode("ABC")) == "abc"


def test_special_tokens_inside_a_text_are_text():
    ids = BPE.encode(".end .pad")
    assert not set(ids) & BPE.vocabulary.special
    assert BPE.decode([BPE.vocabulary.id(".start"), *ids, BPE.vocabulary.id(".end")]) == ".end .pad"


def test_bpe_of_running_text_starts_after_a_line_break():
    vocabulary = BpeConfig(size=280).train(TEXTS, running=True).vocabulary
    assert vocabulary.start == vocabulary.id("Ċ")
    assert vocabulary.end is None
    assert len(vocabulary) == 280


def test_wordpiece_takes_the_longest_known_piece():
    tokenizer = WordPieceConfig(size=60).train(TEXTS)
    vocabulary = tokenizer.vocabulary
    for word in ("lower", "newest", "thewider"):
        pieces, rest = [], word
        while rest:
            piece = next(
                piece
                for end in range(len(rest), 0, -1)
                if (piece := rest[:end] if rest == word else f"##{rest[:end]}") in vocabulary.ids
            )
            pieces.append(piece)
            rest = rest[len(piece.removeprefix("##")) :]
        assert vocabulary.names(tokenizer.encode(word)) == pieces


def test_wordpiece_reproduces_words_and_shows_unknown_characters():
    tokenizer = WordPieceConfig(size=60).train(TEXTS)
    assert tokenizer.decode(tokenizer.encode("The  Größe ☂")) == "the größe .unk"
    kept = WordPieceConfig(size=60, lower_case=False).train(TEXTS)
    assert kept.decode(kept.encode("Größe")) == "Größe"


def test_wordpiece_needs_an_entry_for_each_character():
    with pytest.raises(
        UserError,
        match=r"'data.tokenizer.size' must be at least \d+: each character of .* needs an entry. Got 20",
    ):
        WordPieceConfig(size=20).train(TEXTS)


def test_a_vocabulary_fits_in_its_size():
    assert len(WordPieceConfig(size=60).train(TEXTS).vocabulary) <= 60


@pytest.mark.parametrize("config", [BpeConfig(size=300), WordPieceConfig(size=60)])
@pytest.mark.parametrize("running", [False, True])
def test_a_spec_survives_json(config: BpeConfig | WordPieceConfig, running: bool):
    tokenizer = config.train(TEXTS, running=running)
    again = tokenizer_from(json.loads(json.dumps(tokenizer.spec())))
    assert again.vocabulary == tokenizer.vocabulary
    assert again.encode_batch(TEXTS).tokens.tolist() == tokenizer.encode_batch(TEXTS).tokens.tolist()


def test_an_empty_batch_has_no_tokens():
    tokens, offsets = BPE.encode_batch([])
    assert (tokens.tolist(), offsets.tolist()) == ([], [0])


def test_training_is_the_same_in_every_process():
    runs = {
        subprocess.run([sys.executable, "-c", TRAIN], check=True, capture_output=True).stdout
        for _ in range(3)
    }
    assert len(runs) == 1


def test_wordpiece_lists_every_character_that_occurs_inside_words():
    """Those it does not list would get ids in random order."""
    inside = "می\u200cروم ดี कि a\x01b so\xadft"
    for character in sorted(set(inside) - {" "}):
        assert f"##{character}" in _continuing_of(inside)
        ids = WordPieceConfig(size=200).train([f"x{character}y x{character}z"] * 2).vocabulary.ids
        assert f"##{character}" in ids
    for character in " .!-_\t\n\u2003":
        assert f"##{character}" not in _continuing_of(character)


def _continuing_of(text: str) -> set[str]:
    return set(subwords._continuing([text], lower_case=True))


@pytest.mark.parametrize(
    "damage",
    [
        "{",
        "[" * 100_000,
        '{"model": {"type": "BPE", "vocab": {"a": 0, "b": 9}, "merges": []}}',
        '{"model": {"type": "BPE", "vocab": {"a": -1}, "merges": []}}',
        '{"model": {"type": "BPE", "vocab": [], "merges": 3}}',
        3,
        None,
        ["a"],
    ],
)
def test_a_damaged_model_is_refused(damage: object):
    spec = {"kind": "bpe", "running": False, "model": damage}
    with pytest.raises(UserError, match=r"must be what `spec\(\)` wrote\. Got: "):
        tokenizer_from(spec)


@pytest.mark.parametrize("config", [BpeConfig(size=300), WordPieceConfig(size=60)])
@pytest.mark.parametrize("lower_case", [False, True])
def test_a_restored_model_is_the_trained_one(config: BpeConfig | WordPieceConfig, lower_case: bool):
    tokenizer = config.model_copy(update={"lower_case": lower_case}).train(TEXTS)
    assert tokenizer_from(tokenizer.spec()).spec() == tokenizer.spec()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("merges", [["t", "none"]]),
        ("merges", [["t"]]),
        ("merges", [["t", 3]]),
        ("merges", "th"),
        ("vocab", {"a": 0}),
        ("vocab", {**BPE.vocabulary.ids, "t": True}),
        ("vocab", {**BPE.vocabulary.ids, "t": 1}),
        ("vocab", {**BPE.vocabulary.ids, "t": None}),
        ("vocab", ["a"]),
    ],
)
def test_a_damaged_part_of_a_model_is_refused_before_the_library_sees_it(key: str, value: object):
    spec = BPE.spec()
    model = json.loads(spec["model"])
    model["model"][key] = value
    with pytest.raises(UserError, match=r"must be what `spec\(\)` wrote\. Got: "):
        tokenizer_from({**spec, "model": json.dumps(model)})


def test_other_parts_of_a_model_change_nothing():
    spec = BPE.spec()
    model = json.loads(spec["model"])
    model["model"] |= {"continuing_subword_prefix": "[" * 5000, "dropout": 0.5}
    assert tokenizer_from({**spec, "model": json.dumps(model)}).spec() == spec
