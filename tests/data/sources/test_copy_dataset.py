"""The copy problem as a language: fast to draw, and its entropy is that of its words."""

from __future__ import annotations

import math
import re

import numpy as np

from seqlab.data.sources.copy_dataset import CopyConfig
from seqlab.languages.copying import Copying
from seqlab.languages.explorer import Explorer


def test_texts_are_words_gaps_and_the_same_words() -> None:
    texts = CopyConfig(letters=3, length=4, gap=2, train=500, valid=1, test=1).read().texts["train"]
    assert all(re.fullmatch(r"([abc]{4})__:\1", text) for text in texts)
    assert len(set(texts)) == 3**4


def test_words_drawn_whole_have_the_probabilities_of_words_drawn_letter_by_letter() -> None:
    language, random = Copying(letters=2, length=3, gap=1), np.random.default_rng(3)
    whole, stepped = language.draw(8_000, random), Explorer(language).draw(8_000, random)
    assert set(whole) == set(stepped)
    for text in set(whole):
        assert abs(whole.count(text) - 1_000) < 150
        assert abs(stepped.count(text) - 1_000) < 150


def test_without_a_memory_the_second_word_costs_as_much_as_the_first() -> None:
    language = Copying(letters=8, length=10, gap=10)
    assert language.entropy().per_string == 10 * math.log(8)
    assert math.isclose(language.nats(language.draw(1, np.random.default_rng(0))[0]), 10 * math.log(8))
