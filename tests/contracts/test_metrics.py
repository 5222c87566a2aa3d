"""What every metric of the table must keep."""

import itertools
import math
import sys

import numpy as np
import own_metrics
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from seqlab.measure.metric import Scored, TargetMetric
from seqlab.measure.metric_kinds import METRICS
from seqlab.schema.errors import UserError
from seqlab.schema.records import Curve, Matrix, Moment, Record, Scalar, from_line, to_line
from seqlab.stats.interval import binomial_share

PROBABILITIES = torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.7, 0.2], [0.125, 0.125, 0.75], [0.2, 0.2, 0.6]])
TARGETS = torch.tensor([0, 1, 0, 2])
POSITIONS = torch.tensor([0, 0, 1, 2])
NATS = [math.log(2), -math.log(0.7), math.log(8), -math.log(0.6)]
MEAN = sum(NATS) / 4

BY_HAND: dict[str, list[list[float]]] = {
    "loss": [[MEAN]],
    "perplexity": [[(2 / 0.7 * 8 / 0.6) ** 0.25]],
    "bits_per_token": [[(1 - math.log2(0.7) + 3 - math.log2(0.6)) / 4]],
    "bits_per_character": [[(1 - math.log2(0.7) + 3 - math.log2(0.6)) / 4]],
    "accuracy": [[0.75]],
    "macro_f1": [[(2 * 1 / 3 + 1 + 2 * 1 / 3) / 3]],  # predicted 0 1 2 2
    "macro_precision": [[(1 + 1 + 1 / 2) / 3]],
    "macro_recall": [[(1 / 2 + 1 + 1) / 3]],
    "label_scores": [[1, 1 / 2, 2 / 3, 2], [1, 1, 1, 1], [1 / 2, 1, 2 / 3, 1]],
    "brier": [[(0.375 + 0.14 + (0.875**2 + 0.125**2 + 0.75**2) + 0.24) / 4]],
    # Probabilities 0.5, 0.7, 0.75 and 0.6 in bins 8, 11, 12 and 9; only the third one is wrong.
    "calibration": [
        [(0.5 + 0.3 + 0.75 + 0.4) / 4],
        [(0.5 + 0.21**0.5 + 0.1875**0.5 + 0.24**0.5) * (2 / math.pi) ** 0.5 / 4],
        [1, 1, 1, 0],
        [1 / 4] * 4,
    ],
    "abstention": [[1, 3 / 4, 1 / 2, 1 / 4], [3 / 4, 2 / 3, 1 / 2, 0]],
    # Of class 0 (targets 0.5 0.125, others 0.1 0.2) 3 of 4 pairs are right, of 1 and 2 all and 2 of 3.
    "auc": [[(3 / 4 + 1 + 2 / 3) / 3]],
    # As if the first logit, ln of the first probability, were a predicted number.
    "mse": [
        [
            ((0 - math.log(0.5)) ** 2 + (1 - math.log(0.1)) ** 2 + math.log(8) ** 2 + (2 + math.log(5)) ** 2)
            / 4
        ]
    ],
    "confusion_matrix": [[1, 0, 1], [0, 1, 0], [0, 0, 1]],
    # Lengths 1 1 2 3; all k of n right: from 0.025^(1/n) to 1, none of one: from 0 to 1 - 0.025.
    "accuracy_by_length": [[1, 0.025**0.5, 1, 2, 1], [0, 0, 0.975, 1, 2], [1, 0.025, 1, 1, 3]],
    "loss_per_position": [
        [(NATS[0] + NATS[1]) / 2, NATS[2], NATS[3]],
        [abs(NATS[0] - NATS[1]) / 2],  # s = |a - b| / sqrt(2), over sqrt(2) targets
        [2, 1, 1],
    ],
}
"""The values of each record on the four targets above."""
OWN_BY_HAND = {
    f"{own_metrics.__file__}:quadratic": [
        [((0.5**2 + 2 * 0.25**2) + (0.1**2 + 0.3**2 + 0.2**2) + 1.34375 + 0.24) / 4]
    ],
    f"{own_metrics.__file__}:Hits": [[0.75]],
}
"""The same of metrics of the user's own: a function and a class."""
PERFECT = {
    "loss": [0],
    "perplexity": [1],
    "bits_per_token": [0],
    "bits_per_character": [0],
    "accuracy": [1],
    "macro_f1": [1],
    "macro_precision": [1],
    "macro_recall": [1],
    "label_scores": [1, 1, 1, 2],
    "brier": [0],
    "calibration": [0],
    "abstention": [1],
    "auc": [1],
    "confusion_matrix": [2, 0, 0],
    "accuracy_by_length": [1, binomial_share(2, 2).low, 1, 2, 1],
    "loss_per_position": [0, 0, 0],
}
"""The first row of values where every target is predicted."""
OWN_PERFECT = dict(zip(OWN_BY_HAND, ([0], [1]), strict=True))


EVERY = [*METRICS, *OWN_BY_HAND]
OF_CLASSES = pytest.mark.parametrize("key", [key for key in EVERY if key != "mse"])


def scored(logits: torch.Tensor, targets: torch.Tensor, positions: torch.Tensor) -> Scored:
    nats = functional.cross_entropy(logits.float(), targets, reduction="none")
    return Scored(nats, logits, targets, positions, lengths=positions + 1)


def records(key: str, *pieces: Scored) -> list[Record]:
    metric: TargetMetric = METRICS[key]("token")
    for piece in pieces:
        metric.update(piece)
    return metric.records("valid")


def values(found: list[Record]) -> list[list[float]]:
    rows = []
    for record in found:
        if isinstance(record, Matrix):
            rows += map(list, record.values)
        else:
            assert isinstance(record, Scalar | Curve)
            rows.append([record.value] if isinstance(record, Scalar) else list(record.y))
    return rows


def test_every_metric_has_its_values():
    assert set(METRICS) == set(BY_HAND) == {*PERFECT, "mse"}


@pytest.mark.parametrize("key", EVERY)
def test_hand_computed(key):
    found = values(records(key, scored(PROBABILITIES.log(), TARGETS, POSITIONS)))
    for row, expected in zip(found, (BY_HAND | OWN_BY_HAND)[key], strict=True):
        assert row == pytest.approx(expected, rel=1e-6)


@OF_CLASSES
def test_perfect_prediction_reaches_the_bound(key):
    logits = 200.0 * functional.one_hot(TARGETS, 3)
    bound = (PERFECT | OWN_PERFECT)[key]
    assert values(records(key, scored(logits, TARGETS, POSITIONS)))[0] == pytest.approx(bound, abs=1e-80)


@pytest.mark.parametrize("key", EVERY)
@given(data=st.data())
def test_cutting_into_pieces_changes_nothing(key, data):
    count = data.draw(st.integers(2, 30))
    random = np.random.default_rng(data.draw(st.integers(0, 999)))
    logits = torch.from_numpy(random.normal(scale=4, size=(count, 5)))
    targets = torch.from_numpy(random.integers(0, 5, count))
    targets[:2] = torch.tensor([0, 1])  # the area under a curve needs two classes
    positions = torch.from_numpy(random.integers(0, 6, count))
    cuts = data.draw(st.lists(st.integers(0, count), max_size=5))
    order = torch.from_numpy(random.permutation(count))
    whole = scored(logits, targets, positions)
    pieces = [
        Scored(whole.nats[part], logits[part], targets[part], positions[part], positions[part] + 1)
        for begin, end in itertools.pairwise([0, *sorted(cuts), count])
        for part in [order[begin:end]]
    ]
    for one, other in zip(values(records(key, whole)), values(records(key, *pieces)), strict=True):
        assert one == pytest.approx(other, rel=1e-12, abs=1e-12)


@OF_CLASSES
@pytest.mark.parametrize("size", [1e4, 1e15, 1e30])
def test_extreme_logits_stay_finite(key, size):
    wrong = -size * functional.one_hot(TARGETS, 3)
    found = records(key, scored(wrong, TARGETS, POSITIONS))
    assert np.isfinite(np.concatenate(values(found))).all()
    for record in found:
        assert to_line(record, Moment(step=0, epoch=0.0, tokens=0))


def test_perplexity_stops_at_the_largest_float():
    wrong = -1e30 * functional.one_hot(TARGETS, 3)
    (value,) = values(records("perplexity", scored(wrong, TARGETS, POSITIONS)))[0]
    assert value == pytest.approx(sys.float_info.max, rel=1e-12)


@pytest.mark.parametrize("key", EVERY)
def test_nothing_scored_is_an_error(key):
    with pytest.raises(UserError, match=r"must score at least 1 target. Got 0 in split 'valid'"):
        records(key)
    nothing = scored(torch.zeros(0, 3), TARGETS[:0], POSITIONS[:0])
    with pytest.raises(UserError, match=r"must score at least 1 target"):
        records(key, nothing)


@pytest.mark.parametrize("key", list(METRICS))
def test_records_name_themselves_and_their_units(key):
    for record in records(key, scored(PROBABILITIES.log(), TARGETS, POSITIONS)):
        assert isinstance(record, Scalar | Curve | Matrix)
        assert record.name.startswith(key)
        assert record.split == "valid"
        assert key in ("mse", "bits_per_character") or "token" in (
            record.y_unit if isinstance(record, Curve) else record.unit
        )
        moment = Moment(step=1, epoch=0.5, tokens=9)
        assert from_line(to_line(record, moment), "test:1") == (record, moment)


def test_numbers_are_compared_with_numbers():
    targets, predicted = torch.tensor([0.5, -1.0, 2.0, 0.0]), torch.tensor([0.53, -1.0, 1.95, 3.0])
    given = Scored(torch.zeros(4), predicted.unsqueeze(1), targets, torch.zeros(4, dtype=torch.int64))
    assert values(records("mse", given)) == [[pytest.approx((0.03**2 + 0.05**2 + 9) / 4, rel=1e-6)]]
    assert values(records("accuracy", given)) == [[0.5]]
    exact = Scored(torch.zeros(4), targets.unsqueeze(1), targets, given.positions)
    assert values(records("mse", exact)) == [[0.0]]
    assert values(records("accuracy", exact)) == [[1.0]]
