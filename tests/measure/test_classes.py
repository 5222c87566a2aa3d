"""Metrics of classifiers, against scikit-learn."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics
from torch.nn import functional

from seqlab.measure.classes import Auc, Confusion, MacroF1
from seqlab.measure.metric import Scored, TargetMetric
from seqlab.schema.errors import UserError
from seqlab.schema.records import Matrix, Scalar


def scored(logits: torch.Tensor, targets: torch.Tensor) -> Scored:
    nats = functional.cross_entropy(logits.float(), targets, reduction="none")
    return Scored(nats, logits, targets, torch.zeros_like(targets))


def value(metric: TargetMetric, logits: torch.Tensor, targets: torch.Tensor) -> float:
    metric.update(scored(logits, targets))
    (record,) = metric.records("valid")
    assert isinstance(record, Scalar)
    return record.value


def draw(classes: int, count: int, seed: int, *, ties: bool) -> tuple[torch.Tensor, torch.Tensor]:
    random = np.random.default_rng(seed)
    logits = random.normal(size=(count, classes))
    if ties:
        logits = np.round(logits)
    targets = random.integers(0, classes, count)
    targets[:classes] = np.arange(classes)
    return torch.from_numpy(logits), torch.from_numpy(targets)


DRAWN = given(st.integers(2, 6), st.integers(6, 60), st.integers(0, 999), st.booleans())


@DRAWN
def test_macro_f1_is_sklearns(classes: int, count: int, seed: int, ties: bool):
    logits, targets = draw(classes, count, seed, ties=ties)
    expected = metrics.f1_score(targets, logits.argmax(dim=-1), average="macro")
    assert value(MacroF1("text"), logits, targets) == pytest.approx(expected, rel=1e-12)


def test_macro_f1_leaves_out_what_does_not_occur():
    logits, targets = torch.eye(5)[torch.tensor([0, 1, 1])], torch.tensor([0, 1, 2])
    expected = metrics.f1_score(targets, [0, 1, 1], average="macro")
    assert value(MacroF1("text"), logits, targets) == pytest.approx(expected) == (1 + 2 / 3 + 0) / 3


@DRAWN
def test_auc_is_sklearns(classes: int, count: int, seed: int, ties: bool):
    logits, targets = draw(classes, count, seed, ties=ties)
    # One class at a time and on logarithms, of which equal ones differ in the last bits.
    scores = logits.log_softmax(dim=-1).round(decimals=9)
    areas = [metrics.roc_auc_score(targets == index, scores[:, index]) for index in range(classes)]
    expected = areas[1] if classes == 2 else np.mean(areas)
    assert value(Auc("text"), logits, targets) == pytest.approx(expected, rel=1e-9)


@given(st.integers(3, 6), st.integers(6, 60), st.integers(0, 999))
def test_auc_of_several_classes_is_one_versus_rest(classes: int, count: int, seed: int):
    logits, targets = draw(classes, count, seed, ties=False)
    expected = metrics.roc_auc_score(targets, logits.softmax(dim=-1), multi_class="ovr", average="macro")
    assert value(Auc("text"), logits, targets) == pytest.approx(expected, rel=1e-9)


def test_auc_needs_two_classes():
    metric = Auc("text")
    metric.update(scored(torch.zeros(3, 2), torch.tensor([1, 1, 1])))
    with pytest.raises(UserError, match=r"'auc' needs targets of at least 2 classes\. Got 1 in split 'test'"):
        metric.records("test")


@DRAWN
def test_the_matrix_is_sklearns(classes: int, count: int, seed: int, ties: bool):
    logits, targets = draw(classes, count, seed, ties=ties)
    metric = Confusion("text", tuple(f"label {index}" for index in range(classes)))
    for part in torch.arange(count).split(5):
        metric.update(scored(logits[part], targets[part]))
    (record,) = metric.records("valid")
    assert isinstance(record, Matrix)
    assert np.array(record.values).tolist() == metrics.confusion_matrix(targets, logits.argmax(-1)).tolist()
    assert record.rows == record.columns == tuple(f"label {index}" for index in range(classes))
    assert record.unit == "texts; row: true class, column: predicted"
