"""Examples of memory tasks: labels from an independent derivation, new examples in each epoch."""

from __future__ import annotations

import re

import numpy as np
import pytest

from seqlab.data.sources.adding import Adding1997Config, AddingConfig, marked_total
from seqlab.data.sources.associative_recall import AssociativeRecallConfig, recalled
from seqlab.data.sources.examples import ExamplesConfig
from seqlab.data.sources.marked_addition import MarkedAdditionConfig, marked_sum
from seqlab.data.sources.temporal_order import TemporalOrderConfig, order
from seqlab.schema.config import parse
from seqlab.schema.errors import UserError


def pairs(config: ExamplesConfig, split: str = "train") -> list[tuple[str, str]]:
    corpus = config.read()
    names = [corpus.label_names[int(label)] for label in corpus.targets[split]]
    return list(zip(corpus.texts[split], names, strict=True))


def test_marked_addition_is_its_definition() -> None:
    positions = set[int]()
    for text, label in pairs(MarkedAdditionConfig(length=7, train=500, valid=1, test=1)):
        found = re.fullmatch(r"((?:\d )*)-1 (\d) (?:\d )*(\d)", text)
        assert found is not None
        assert len(text.split()) == 7
        assert int(found[2]) + int(found[3]) == int(label) == marked_sum(text)
        positions.add(len(found[1].split()))
    assert positions == set(range(5))


def test_the_shortest_marked_addition_has_one_position_for_the_mark() -> None:
    config = MarkedAdditionConfig(length=3, train=50, valid=1, test=1)
    assert all(text.startswith("-1 ") for text, _ in pairs(config))


def test_recall_queries_one_of_the_pairs() -> None:
    queried = set[int]()
    for text, label in pairs(AssociativeRecallConfig(pairs=4, train=300, valid=1, test=1)):
        tokens = text.split()
        keys = tokens[0:8:2]
        assert len(tokens) == 9
        assert len(set(keys)) == 4
        query = keys.index(tokens[-1])
        assert tokens[2 * query + 1] == label == str(recalled(text))
        queried.add(query)
    assert queried == set(range(4))


def test_more_pairs_than_letters_are_refused() -> None:
    with pytest.raises(UserError, match=r"'data\.pairs' must be less than or equal to 26\. Got 27"):
        parse(AssociativeRecallConfig, {"kind": "associative_recall", "pairs": 27}, "data")


def parsed(text: str) -> tuple[list[float], list[int]]:
    """Numbers and marks of an example."""
    numbers, marks = zip(*(token.split(",") for token in text.split()), strict=True)
    return [float(number) for number in numbers], [int(mark) for mark in marks]


def test_the_modern_adding_problem_is_its_definition() -> None:
    corpus = AddingConfig(length=7, train=2_000, valid=1, test=1).read()
    totals, marked = corpus.targets["train"], set[tuple[int, int]]()
    for text, total in zip(corpus.texts["train"], totals, strict=True):
        numbers, marks = parsed(text)
        assert (len(numbers), sum(marks), set(marks)) == (7, 2, {0, 1})
        first, second = (position for position, mark in enumerate(marks) if mark)
        assert first < 3 <= second
        assert total == pytest.approx(numbers[first] + numbers[second]) == marked_total(text)
        assert 0 <= min(numbers) <= max(numbers) <= 1
        marked.add((first, second))
    assert len(marked) == 3 * 4
    # The sum of two numbers from U(0, 1): mean 1, variance 1/6.
    assert np.mean(totals) == pytest.approx(1, abs=0.03)
    assert np.var(totals) == pytest.approx(1 / 6, abs=0.015)


@pytest.mark.parametrize("length", [6, 100])
def test_the_adding_problem_of_1997_is_its_definition(length: int) -> None:
    corpus = Adding1997Config(length=length, train=400, valid=1, test=1).read()
    lengths, marked_first = set[int](), 0
    for text, target in zip(corpus.texts["train"], corpus.targets["train"], strict=True):
        numbers, marks = parsed(text)
        lengths.add(len(numbers))
        marked = [position for position, mark in enumerate(marks) if mark == 1]
        assert len(marked) == 2
        assert marks[-1] == -1
        assert marks[0] == (1 if 0 in marked else -1)
        assert all(mark == 0 for position, mark in enumerate(marks[1:-1], 1) if position not in marked)
        assert min(marked) < 10
        # The second one is among the first length / 2 - 1 of the others.
        orders = [(a, b) for a, b in (marked, marked[::-1]) if a < 10 and b - (b > a) < length // 2 - 1]
        assert orders
        if 0 in marked:
            marked_first += 1
            assert numbers[0] == 0
        assert target == pytest.approx(0.5 + sum(numbers[position] for position in marked) / 4)
        assert -1 <= min(numbers) <= max(numbers) <= 1
    assert lengths == set(range(length, length + length // 10 + 1))
    assert marked_first


@pytest.mark.parametrize("length", [10, 100])
def test_temporal_order_is_experiment_6a(length: int) -> None:
    """Lengths, positions and classes of the paper, scaled."""
    scale, seen = length / 100, set[str]()
    for text, label in pairs(TemporalOrderConfig(length=length, train=400, valid=1, test=1)):
        tokens = text.split()
        assert 100 * scale <= len(tokens) <= 110 * scale
        assert (tokens[0], tokens[-1]) == ("E", "B")
        (first, one), (second, two) = [(k, token) for k, token in enumerate(tokens) if token in "XY"]
        assert 10 * scale <= first <= 20 * scale < 50 * scale <= second <= 60 * scale
        assert {"Q": "XX", "R": "XY", "S": "YX", "U": "YY"}[label] == one + two
        assert label == order(text)
        assert set(tokens[1:-1]) <= set("abcdXY")
        seen.add(label)
    assert seen == set("QRSU")


def test_labels_are_distributed_as_sums_of_two_digits() -> None:
    labels = MarkedAdditionConfig().draw(50_000, np.random.default_rng(5)).labels
    combinations = np.convolve(np.ones(10), np.ones(10))
    found = np.bincount(labels, minlength=19) / len(labels)
    assert np.abs(found - combinations / combinations.sum()).max() < 0.006


def test_a_length_below_three_is_refused() -> None:
    with pytest.raises(UserError, match=r"'data\.length' must be greater than or equal to 3\. Got 2"):
        parse(MarkedAdditionConfig, {"kind": "marked_addition", "length": 2}, "data")


def test_a_note_reports_too_few_different_examples() -> None:
    (note,) = MarkedAdditionConfig(length=3, train=200, valid=50, test=5).read().notes
    assert "100 different examples" in note
    assert not MarkedAdditionConfig(length=5, train=200, valid=50, test=5).read().notes


def test_one_split_does_not_change_another() -> None:
    small, large = (MarkedAdditionConfig(train=size, valid=20, test=20).read() for size in (5, 50))
    assert small.texts["valid"] == large.texts["valid"]
    assert small.texts["train"] != small.texts["valid"][:5]


def test_resampled_examples_depend_on_the_seed_alone() -> None:
    config = MarkedAdditionConfig(train=300, valid=20, test=20, resample_each_epoch=True)
    dataset = config.build()
    first, again, other = (config.training_split(dataset, seed) for seed in (1, 1, 2))
    assert np.array_equal(first.text.tokens, again.text.tokens)
    assert not np.array_equal(first.text.tokens, other.text.tokens)
    assert first.targets is not None
    for row, label in enumerate(first.targets.tolist()):
        text = dataset.tokenizer.decode(first.text[row].tolist())
        assert dataset.labels[label] == str(marked_sum(text))


def test_resampled_numbers_are_exact() -> None:
    config = AddingConfig(length=5, train=100, valid=20, test=20, resample_each_epoch=True)
    dataset = config.build()
    first = config.training_split(dataset, 1)
    assert first.targets is not None
    for row, total in enumerate(first.targets.tolist()):
        text = dataset.tokenizer.decode(first.text[row].tolist())
        assert total == marked_total(text)


def test_without_resampling_every_epoch_has_the_same_examples() -> None:
    config = MarkedAdditionConfig(train=300, valid=20, test=20)
    dataset = config.build()
    assert config.training_split(dataset, 3) is dataset.splits["train"]


def test_resampling_cannot_train_on_validation_examples() -> None:
    config = MarkedAdditionConfig(train=300, valid=20, test=20, resample_each_epoch=True)
    with pytest.raises(
        UserError, match=r"'training\.fit_on' must be 'train' where 'data\.resample_each_epoch' is true"
    ):
        config.training_split(config.build().with_valid_in_train(), 1)
