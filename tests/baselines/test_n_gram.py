"""The n-gram model against the paper's equations, by hand, and as a distribution."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from slow_kneser_ney import SlowKneserNey

from seqlab.baselines.n_gram import NGram, discounts
from seqlab.data.dataset import Split
from seqlab.data.ragged import ragged
from seqlab.data.tokenizers.vocabulary import Vocabulary

RUNNING = Vocabulary(tuple("sabcdefgh"), start=0)
SEQUENCES = Vocabulary(tuple("seabcdfgh"), start=0, end=1)


def split(texts: list[list[int]]) -> Split:
    return Split(ragged(texts))


def whole(text: list[int], vocabulary: Vocabulary) -> list[int]:
    """A text with the tokens around it."""
    assert vocabulary.start is not None
    return [vocabulary.start, *text, *([] if vocabulary.end is None else [vocabulary.end])]


def nats(model: NGram, data: Split, *, dense: bool = False) -> np.ndarray:
    return np.concatenate([piece.nats for piece in model.score(data, dense=dense)])


def zipf(random: np.random.Generator, size: int, kinds: int = 7) -> list[int]:
    """Tokens from 2, some of which are much likelier, and likelier after themselves."""
    tokens = [2]
    for draw, stay in zip(random.random(size), random.random(size), strict=True):
        tokens.append(tokens[-1] if stay < 0.3 else 2 + int(kinds * draw**3))
    return tokens


texts = st.lists(st.lists(st.integers(2, 8), max_size=12), min_size=1, max_size=6)


@pytest.mark.parametrize("vocabulary", [RUNNING, SEQUENCES], ids=["running", "sequences"])
@pytest.mark.parametrize("order", [1, 2, 3, 5])
@given(train=texts, other=texts)
def test_equals_the_equations(vocabulary: Vocabulary, order: int, train, other) -> None:
    if not any(train) or not any(other):
        return
    model = NGram.fit(split(train), vocabulary, order)
    slow = SlowKneserNey([whole(text, vocabulary) for text in train], len(vocabulary), order)
    expected = [
        -math.log(slow.probability(text[index], text[:index]))
        for text in (whole(text, vocabulary) for text in other)
        for index in range(1, len(text))
    ]
    assert nats(model, split(other)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("order", [1, 2, 4])
def test_equals_the_equations_where_discounts_are_estimated(order: int) -> None:
    random = np.random.default_rng(order)
    vocabulary = Vocabulary(tuple(map(chr, range(65, 125))), start=0, end=1)
    train = [zipf(random, 100, kinds=50) for _ in range(4)]
    slow = SlowKneserNey([whole(text, vocabulary) for text in train], len(vocabulary), order)
    estimated = [k for k, found in slow.discounts.items() if found != [0.0, 0.5, 1.0, 1.5]]
    assert estimated, "the test is about estimated ones"
    other = whole(zipf(random, 60, kinds=55), vocabulary)
    expected = [-math.log(slow.probability(other[i], other[:i])) for i in range(1, len(other))]
    found = nats(NGram.fit(split(train), vocabulary, order), split([other[1:-1]]))
    assert found == pytest.approx(expected, rel=1e-12)


def test_by_hand() -> None:
    """Of `s | a b a`: a can be extended to the left in 2 ways, b in 1; every pair occurs once.

    p(a) = (2 - 1 + 1.5 / 3) / 3, p(b) = (1 - 0.5 + 1.5 / 3) / 3, p(s) = 1.5 / 9, p(w | a) as below.
    """
    vocabulary = Vocabulary(("s", "a", "b"), start=0)
    model = NGram.fit(split([[1, 2, 1]]), vocabulary, 2)
    after_a = np.exp(model.predict(ragged([[0, 1]])))[0]
    assert after_a == pytest.approx([0.5 / 6, 0.5 / 2, 0.5 + 0.5 / 3])
    unigram = np.exp(NGram.fit(split([[1, 2, 1]]), vocabulary, 1).predict(ragged([[0]])))[0]
    # The highest order counts occurrences: a 2, b 1, and the start is never counted.
    assert unigram == pytest.approx([1.5 / 9, (1 + 0.5) / 3, (0.5 + 0.5) / 3])


@pytest.mark.parametrize("vocabulary", [RUNNING, SEQUENCES], ids=["running", "sequences"])
@pytest.mark.parametrize("order", [1, 2, 3, 6])
def test_sums_to_one_after_any_history(vocabulary: Vocabulary, order: int) -> None:
    random = np.random.default_rng(0)
    train = [zipf(random, size) for size in (300, 2, 50)]
    model = NGram.fit(split(train), vocabulary, order)
    seen = [whole(train[0][: 1 + end], vocabulary) for end in range(40)]
    unseen = [[0, *random.integers(0, 9, size=size).tolist()] for size in range(30)]
    probabilities = np.exp(model.predict(ragged([*seen, *unseen])))
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(70), rel=1e-12)
    assert (probabilities > 0).all()


@pytest.mark.parametrize("order", [1, 2, 5])
def test_all_probabilities_and_those_of_the_targets_are_the_same_bits(order: int) -> None:
    random = np.random.default_rng(1)
    model = NGram.fit(split([zipf(random, 500)]), RUNNING, order)
    data = split([random.integers(0, 9, size=200).tolist()])
    assert (nats(model, data) == nats(model, data, dense=True)).all()


def test_counts_do_not_cross_texts() -> None:
    apart = NGram.fit(split([[2, 3], [4, 5]]), SEQUENCES, 3)
    swapped = NGram.fit(split([[4, 5], [2, 3]]), SEQUENCES, 3)
    data = split([[3, 4], [2, 3], [5]])
    assert (nats(apart, data) == nats(swapped, data)).all()


def test_an_order_above_the_longest_text_changes_nothing_but_the_highest_counts() -> None:
    data = split([[2, 3, 4], [2, 3], [2]])
    models = [NGram.fit(data, SEQUENCES, order) for order in (6, 9)]
    assert (nats(models[0], data) == nats(models[1], data)).all()


def test_converges_to_the_distribution_that_texts_are_drawn_from() -> None:
    """Tokens of a Markov chain: a bigram model's loss goes to the entropy, the unigram's does not."""
    random = np.random.default_rng(3)
    chain = np.array([[0.9, 0.05, 0.05], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]])
    walk = [0]
    for draw in random.random(60_000):
        walk.append(int(np.searchsorted(np.cumsum(chain[walk[-1]]), draw)))
    walk = [token + 2 for token in walk]
    model, single = (NGram.fit(split([walk[:40_000]]), RUNNING, order) for order in (3, 1))
    held_out = split([walk[40_000:]])
    paid = -np.log([chain[a - 2, b - 2] for a, b in pairwise(walk[40_000:])])
    assert nats(model, held_out)[1:].mean() == pytest.approx(paid.mean(), abs=0.003)
    assert nats(single, held_out).mean() > paid.mean() + 0.3


def test_discounts_lie_between_nothing_and_the_count() -> None:
    random = np.random.default_rng(4)
    for size in range(1, 60):
        found = discounts(random.geometric(0.5, size))
        assert found[0] == 0
        assert (found[1:] > 0).all()
        assert (found[1:] < [1.0001, 2.0001, 3.0001]).all()
