"""Metrics of a classifier's probabilities: scikit-learn, an independent sum over bins, and closed forms."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics
from torch.nn import functional

from seqlab.measure.calibration import BINS, MOST_POINTS, Abstention, Brier, Calibration, abstention
from seqlab.measure.classes import Auc, LabelScores, MacroPrecision, MacroRecall
from seqlab.measure.metric import Scored, TargetMetric
from seqlab.measure.temperature import HIGHEST, LOWEST, fit_temperature
from seqlab.schema.records import Curve, Matrix, Record, Scalar
from seqlab.stats.formatting import format_decimal

ZERO: Any = 0
"""What scikit-learn's annotations do not allow, but its documentation does."""


def found(metric: TargetMetric, logits: np.ndarray, targets: np.ndarray) -> dict[str, Record]:
    given, classes = torch.from_numpy(logits), torch.from_numpy(targets)
    nats = functional.cross_entropy(given, classes, reduction="none")
    metric.update(Scored(nats, given, classes, torch.zeros_like(classes)))
    records = metric.records("valid")
    return {record.name: record for record in records}


def number(records: dict[str, Record], name: str) -> float:
    record = records[name]
    assert isinstance(record, Scalar)
    return record.value


def curve(records: dict[str, Record], name: str) -> tuple[list[float], list[float]]:
    record = records[name]
    assert isinstance(record, Curve)
    return list(record.x), list(record.y)


def draw(classes: int, count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits, some rows of which are equal, their probabilities, and targets."""
    random = np.random.default_rng(seed)
    logits = random.normal(scale=2, size=(count, classes))[random.integers(0, count, count)]
    powers = np.exp(logits)
    return logits, powers / powers.sum(axis=1, keepdims=True), random.integers(0, classes, count)


DRAWN = given(st.integers(2, 6), st.integers(1, 60), st.integers(0, 999))


@DRAWN
def test_scores_of_labels_are_sklearns(classes: int, count: int, seed: int):
    logits, _, targets = draw(classes, count, seed)
    predicted, labels = logits.argmax(axis=1), list(range(classes))
    expected: Any = metrics.precision_recall_fscore_support(
        targets, predicted, labels=labels, zero_division=ZERO
    )
    (matrix,) = found(LabelScores("text", tuple("abcdef"[:classes])), logits, targets).values()
    assert isinstance(matrix, Matrix)
    np.testing.assert_allclose(np.array(matrix.values), np.stack(expected, axis=1), rtol=1e-12)
    assert matrix.rows == tuple("abcdef"[:classes])
    for metric, score in ((MacroPrecision, metrics.precision_score), (MacroRecall, metrics.recall_score)):
        (record,) = found(metric("text"), logits, targets).values()
        assert isinstance(record, Scalar)
        assert record.value == pytest.approx(score(targets, predicted, average="macro", zero_division=ZERO))


@DRAWN
def test_brier_is_sklearns(classes: int, count: int, seed: int):
    logits, shares, targets = draw(classes, count, seed)
    expected = metrics.brier_score_loss(
        targets, shares if classes > 2 else shares[:, 1], labels=range(classes)
    )
    # Of two classes scikit-learn counts one.
    assert number(found(Brier("text"), logits, targets), "brier") == pytest.approx(
        expected * (2 if classes == 2 else 1), rel=1e-9
    )


@DRAWN
def test_the_calibration_error_is_a_sum_over_bins(classes: int, count: int, seed: int):
    logits, shares, targets = draw(classes, count, seed)
    best, right = shares.max(axis=1), shares.argmax(axis=1) == targets
    error = chance = 0.0
    for index in range(BINS):
        inside = (best > index / BINS) & (best <= (index + 1) / BINS)
        if inside.any():
            error += inside.mean() * abs(right[inside].mean() - best[inside].mean())
            deviation = math.sqrt(sum(p * (1 - p) for p in best[inside])) / count
            chance += deviation * math.sqrt(2 / math.pi)
    records = found(Calibration("text"), logits, targets)
    assert number(records, "calibration_error") == pytest.approx(error, abs=1e-12)
    assert number(records, "calibration_error_by_chance") == pytest.approx(chance, abs=1e-12)
    (x, accuracy), (also_x, share) = (curve(records, f"calibration_{name}") for name in ("accuracy", "share"))
    assert x == also_x == sorted(x)
    assert sum(share) == pytest.approx(1)
    assert np.dot(share, accuracy) == pytest.approx(right.mean())
    assert np.dot(share, x) == pytest.approx(best.mean())


def test_by_chance_is_what_right_probabilities_have_on_average():
    random = np.random.default_rng(0)
    logits = random.normal(scale=1.5, size=(800, 2))
    second = 1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))
    records = [
        found(Calibration("text"), logits, (random.random(800) < second).astype(int)) for _ in range(100)
    ]
    errors = [number(record, "calibration_error") for record in records]
    chance = number(records[0], "calibration_error_by_chance")
    assert chance == pytest.approx(np.mean(errors), abs=float(4 * np.std(errors) / 10 + 0.05 * chance))


@DRAWN
def test_abstaining_is_counted_at_every_probability(classes: int, count: int, seed: int):
    logits, shares, targets = draw(classes, count, seed)
    best, right = shares.max(axis=1), shares.argmax(axis=1) == targets
    records = found(Abstention("text"), logits, targets)
    thresholds, answered = curve(records, "abstention_answered")
    also, accuracy = curve(records, "abstention_accuracy")
    assert thresholds == also == sorted(set(thresholds))
    assert len(thresholds) == len(np.unique(best.round(12)))
    for threshold, part, value in zip(thresholds, answered, accuracy, strict=True):
        kept = best >= threshold - 1e-12
        assert part == pytest.approx(kept.mean())
        assert value == pytest.approx(right[kept].mean())
    assert answered[0] == 1


def test_of_many_thresholds_some_are_kept_and_each_is_exact():
    random = np.random.default_rng(1)
    logits, targets = random.normal(size=(3 * MOST_POINTS, 3)), random.integers(0, 3, 3 * MOST_POINTS)
    thresholds, answered = curve(found(Abstention("text"), logits, targets), "abstention_answered")
    shares = functional.softmax(torch.from_numpy(logits), dim=-1).max(dim=-1).values.numpy()
    assert len(thresholds) in (MOST_POINTS, MOST_POINTS + 1)
    assert (thresholds[0], thresholds[-1]) == pytest.approx((shares.min(), shares.max()), abs=1e-4)
    assert answered == [(shares >= threshold).mean() for threshold in thresholds]


def test_the_first_threshold_that_is_sure_is_kept():
    """Of 100 predictions the most confident one is wrong; only the next 99 make 99 % right."""
    shares = np.linspace(0.6, 0.9, 200)
    right = np.arange(200) >= 100
    right[-1] = False
    thresholds, answered, accuracy = abstention(shares, right, most=3)
    assert accuracy[thresholds.searchsorted(shares[100]) - 1] == 0.99
    assert 0.5 in answered
    assert answered.tolist() == [(shares >= threshold).mean() for threshold in thresholds]


@DRAWN
def test_a_threshold_as_it_is_printed_gives_the_same_answers(classes: int, count: int, seed: int):
    logits, shares, targets = draw(classes, count, seed)
    # Rounding differs between batches.
    logits = logits + np.random.default_rng(seed).uniform(-1e-9, 1e-9, logits.shape)
    records = found(Abstention("text"), logits, targets)
    thresholds, answered = curve(records, "abstention_answered")
    assert len(thresholds) == len(np.unique(shares.max(axis=1).round(6)))
    for threshold, part in zip(thresholds, answered, strict=True):
        typed = float(format_decimal(threshold))
        assert (shares.max(axis=1) >= typed).mean() == part
        assert (shares.max(axis=1) >= typed).any()


@DRAWN
def test_equal_texts_are_ties_although_their_logits_round_otherwise(classes: int, count: int, seed: int):
    logits, shares, targets = draw(classes, count, seed)
    if len(np.unique(targets)) < 2:
        return
    noise = np.random.default_rng(seed).uniform(-3e-8, 3e-8, logits.shape)
    (record,) = found(Auc("text"), logits + noise, targets).values()
    assert isinstance(record, Scalar)
    kinds = [1] if classes == 2 else np.unique(targets).tolist()
    # Rows that are equal are equal in this sum, too, whose order may differ.
    exact = [metrics.roc_auc_score(targets == kind, shares[:, kind].round(12)) for kind in kinds]
    assert record.value == pytest.approx(np.mean(exact), abs=1e-12)


@given(st.floats(0.2, 5.0), st.integers(2, 5), st.integers(0, 99))
def test_the_temperature_is_found_again(temperature: float, classes: int, seed: int):
    """Targets in exact proportion to the softmax of logits are fitted best by the logits themselves."""
    random = np.random.default_rng(seed)
    counts = random.integers(1, 20, (3, classes))
    rows = np.repeat(np.arange(3), counts.sum(axis=1))
    targets = np.concatenate([np.repeat(np.arange(classes), row) for row in counts])
    if np.allclose(np.log(counts).std(axis=1), 0):
        return
    logits = temperature * np.log(counts)[rows]
    assert fit_temperature(logits, targets) == pytest.approx(temperature, rel=1e-6)


def test_the_temperature_has_the_smallest_loss_and_limits():
    logits, shares, _ = draw(4, 50, 3)
    random = np.random.default_rng(3)
    targets = np.array([random.choice(4, p=row**0.4 / (row**0.4).sum()) for row in shares])
    best = fit_temperature(logits, targets)

    def loss(temperature: float) -> float:
        return functional.cross_entropy(
            torch.from_numpy(logits / temperature), torch.from_numpy(targets)
        ).item()

    assert 1 < best < 10
    assert all(loss(best) <= loss(other) + 1e-12 for other in (best * 0.99, best * 1.01, LOWEST, HIGHEST))
    assert fit_temperature(logits, logits.argmax(axis=1)) == LOWEST
    assert fit_temperature(logits, logits.argmin(axis=1)) == HIGHEST
