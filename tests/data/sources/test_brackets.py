import math
from collections import Counter

import pytest

from seqlab.data.sources.brackets import OPEN, BracketsConfig
from seqlab.schema.config import parse
from seqlab.schema.errors import UserError

COUNT = 40_000
SAMPLES = BracketsConfig(train=COUNT, valid=10, test=10, seed=3).read().texts["train"]


def test_every_sample_is_a_member():
    assert len(SAMPLES) == COUNT
    assert all(map(BracketsConfig().language().is_member, SAMPLES[:2000]))


def test_lengths_have_their_probabilities():
    lengths = Counter(map(len, SAMPLES))
    for pairs in range(1, 9):
        catalan = math.comb(2 * pairs - 2, pairs - 1) / pairs
        probability = catalan * OPEN ** (pairs - 1) * (1 - OPEN) ** pairs
        deviation = math.sqrt(probability * (1 - probability) / COUNT)
        assert abs(lengths[2 * pairs] / COUNT - probability) < 4 * deviation
    assert sum(count for length, count in lengths.items() if length > 100) / COUNT == pytest.approx(
        0.011, abs=0.003
    )


def test_strings_of_one_length_are_equally_likely():
    six = Counter(text for text in SAMPLES if len(text) == 6)
    assert set(six) == {"((()))", "(()())"}
    assert abs(six["((()))"] - six["(()())"]) < 4 * math.sqrt(six.total())


def test_longer_strings_are_drawn_again():
    texts = BracketsConfig(train=5000, valid=1, test=1, max_length=4).read().texts["train"]
    counts = Counter(texts)
    assert set(counts) == {"()", "(())"}
    assert counts.total() == 5000
    assert counts["(())"] / 5000 == pytest.approx(OPEN * (1 - OPEN) / (1 + OPEN * (1 - OPEN)), abs=0.03)


def test_a_larger_split_begins_with_the_smaller_one_and_other_splits_do_not_change():
    small = BracketsConfig(train=10, valid=5, test=5, seed=3).read().texts
    large = BracketsConfig(train=COUNT, valid=7, test=5, seed=3).read().texts
    assert SAMPLES[:10] == small["train"]
    assert large["valid"][:5] == small["valid"]
    assert large["test"] == small["test"]


def test_seeds_and_settings_change_the_hash():
    hashes = {
        config.content_hash()
        for config in (
            BracketsConfig(),
            BracketsConfig(seed=1),
            BracketsConfig(max_length=8),
            BracketsConfig(test=3),
        )
    }
    assert len(hashes) == 4


def test_a_split_cannot_be_empty():
    with pytest.raises(UserError, match="'train' must be greater than or equal to 1"):
        parse(BracketsConfig, {"kind": "brackets", "train": 0})
