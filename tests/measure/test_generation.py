"""Variety and copies of n-grams, against sets of tuples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab.data.ragged import Ragged, ragged
from seqlab.measure import generation
from seqlab.measure.generation import copied, distinct, excerpts, repetition

Texts = list[list[int]]
texts = st.lists(st.lists(st.integers(0, 4), max_size=9), max_size=6)


def grams(found: Texts, size: int) -> list[tuple[int, ...]]:
    return [tuple(text[i : i + size]) for text in found for i in range(len(text) - size + 1)]


@given(texts, texts, st.integers(1, 20))
def test_copied_as_found_in_a_set(own: Texts, training: Texts, chunk: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generation, "CHUNK", chunk)
        found = copied(ragged(own), ragged(training))
    for size in (2, 3, 4, 5):
        asked, known = grams(own, size), set(grams(training, size))
        assert found[size] == (sum(gram in known for gram in asked) / len(asked) if asked else None)


@given(texts)
def test_distinct_and_repetition_as_counted(own: Texts) -> None:
    for size in (1, 2, 3):
        found = grams(own, size)
        assert distinct(ragged(own), size) == (len(set(found)) / len(found) if found else None)
    shares = [1 - len(set(found)) / len(found) for text in own if (found := grams([text], 4))]
    assert repetition(ragged(own)) == (pytest.approx(np.mean(shares)) if shares else None)


def test_ids_that_no_text_has_are_no_copies() -> None:
    """Ids of the training text above all of the texts would overflow into other keys."""
    assert copied(ragged([[1, 1, 1]]), ragged([[0, 3, 1], [1, 2]]))[2] == 0.0
    assert copied(ragged([[1, 0, 1]]), ragged([[0, 2], [9, 1, 0, 1]]))[3] == 1.0


def test_what_repeats_and_what_never_does() -> None:
    same, never = ragged([[7] * 20]), ragged([list(range(20))])
    assert (distinct(same, 1), distinct(never, 1)) == (1 / 20, 1.0)
    assert (repetition(same), repetition(never)) == (1 - 1 / 17, 0.0)
    assert copied(never, never) == dict.fromkeys((2, 3, 4, 5), 1.0)
    assert copied(ragged([]), never) == dict.fromkeys((2, 3, 4, 5))


def test_excerpts() -> None:
    running = Ragged(np.arange(100, dtype=np.int32), np.array([0, 100]))
    found = list(excerpts(running, 4, 10, running=True))
    assert [part[0] for part in found] == [0, 30, 60, 90]
    assert all(np.array_equal(part, np.arange(part[0], part[0] + 10)) for part in found)
    (whole,) = excerpts(running, 4, 500, running=True)
    assert len(whole) == 100
    separate = ragged([[1, 2, 3], [4], [5, 6]])
    assert [part.tolist() for part in excerpts(separate, 2, 2, running=False)] == [[1, 2], [5, 6]]
    assert len(excerpts(separate, 9, 2, running=False)) == 3
    assert len(excerpts(ragged([]), 9, 2, running=False)) == 0
