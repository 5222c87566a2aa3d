import itertools
import math
from collections import Counter

import pytest

from seqlab.data.sources.ndfa import STOP, WORDS, NdfaConfig

COUNT = 40_000
SAMPLES = NdfaConfig(train=COUNT, valid=10, test=10, seed=3).read().texts["train"]


LANGUAGE = NdfaConfig().language()


@pytest.mark.parametrize("text", ["ss", "sabc!s", "sabc!abc!s", "suvw!s", "sklm!klm!klm!s"])
def test_members(text: str):
    assert LANGUAGE.is_member(text)


@pytest.mark.parametrize(
    "text", ["", "s", "sss", "sabc!uvw!s", "sabc!", "sabcs", "sabc!sabc!s", "ss\n", "abc!", "Ss"]
)
def test_mixed_truncated_and_repeated_strings_are_no_members(text: str):
    assert not LANGUAGE.is_member(text)


def test_every_sample_is_a_member():
    assert len(SAMPLES) == COUNT
    assert all(map(LANGUAGE.is_member, SAMPLES[:2000]))


def test_words_and_repeats_have_their_probabilities():
    repeats = Counter((len(text) - 2) // 4 for text in SAMPLES)
    for k in range(8):
        probability = STOP * (1 - STOP) ** k
        assert abs(repeats[k] / COUNT - probability) < 4 * math.sqrt(probability / COUNT)
    first = Counter(text[1:5] for text in SAMPLES if text != "ss")
    for word in WORDS:
        assert abs(first[word] / first.total() - 1 / 3) < 4 * math.sqrt(1 / 3 / first.total())


def test_different_seeds_and_splits_are_different():
    def texts(seed: int) -> list[tuple[str, ...]]:
        return [
            tuple(part) for part in NdfaConfig(train=50, valid=50, test=50, seed=seed).read().texts.values()
        ]

    assert texts(0) == texts(0)
    for one, two in itertools.combinations([*texts(0), *texts(1)], 2):
        assert one != two
