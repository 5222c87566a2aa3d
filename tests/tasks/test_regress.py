"""The task of predicting numbers: its loss is that of a normal density."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import norm
from torch import nn

from seqlab.data.sources.adding import AddingConfig
from seqlab.data.sources.marked_addition import MarkedAdditionConfig
from seqlab.data.sources.ndfa import NdfaConfig
from seqlab.schema.config import parse
from seqlab.schema.errors import UserError
from seqlab.tasks.loss_options import LossOptions
from seqlab.tasks.regress import RegressTask
from seqlab.tasks.task_configs import ClassifyConfig, RegressConfig

TARGETS = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)
PREDICTED = torch.tensor([[0.25], [1.0], [2.0]])


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path))


def test_the_loss_is_the_nats_of_a_normal_density() -> None:
    nats = -norm.logpdf(TARGETS.numpy(), loc=PREDICTED[:, 0].numpy())
    total, count = RegressTask().loss(nn.Identity(), PREDICTED[[0, 2]], TARGETS[[0, 2]])
    assert (total.item(), count) == (pytest.approx(nats[[0, 2]].sum(), rel=1e-6), 2)
    scores, outputs = RegressTask().scores(nn.Identity(), PREDICTED, TARGETS)
    assert scores.numpy() == pytest.approx(nats, rel=1e-12)
    assert torch.equal(outputs, PREDICTED)


def test_the_gradient_is_the_error() -> None:
    predicted = PREDICTED.clone().requires_grad_()
    total, _ = RegressTask().loss(nn.Identity(), predicted, TARGETS)
    total.backward()
    assert predicted.grad is not None
    assert predicted.grad[:, 0].tolist() == pytest.approx((PREDICTED[:, 0] - TARGETS).tolist())


def test_no_constant_does_better_than_the_least_loss() -> None:
    least = RegressTask().least_loss(TARGETS.tolist(), 1)
    constants = np.linspace(-2, 3, 501)
    losses = [-norm.logpdf(TARGETS.numpy(), loc=constant).mean() for constant in constants]
    assert least <= min(losses)
    assert least == pytest.approx(min(losses), abs=1e-4)


def test_data_without_numbers_is_refused() -> None:
    marked = MarkedAdditionConfig(train=200, valid=50, test=50).build()
    with pytest.raises(UserError, match=r"needs a dataset with a number .* Nearest: task.kind='classify'"):
        RegressConfig().build(marked)
    texts = NdfaConfig(train=20, valid=5, test=5).build()
    with pytest.raises(UserError, match=r"Got 'ndfa'. Nearest: task.kind='language-model'"):
        RegressConfig().build(texts)
    adding = AddingConfig(train=20, valid=5, test=5).build()
    assert RegressConfig().build(adding).unit == "text"
    with pytest.raises(UserError, match=r"at least 2 labels. Got 'adding' with 0. Nearest: .*'regress'"):
        ClassifyConfig().build(adding)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (LossOptions(label_smoothing=0.1), r"'training.label_smoothing' must be 0.0 .*'regress'. Got 0.1"),
        (LossOptions(class_weights="balanced"), r"'training.class_weights' must be 'none' .*Got 'balanced'"),
    ],
)
def test_options_of_classes_are_refused(options: LossOptions, message: str) -> None:
    adding = AddingConfig(train=20, valid=5, test=5).build()
    with pytest.raises(UserError, match=message):
        RegressConfig().build(adding, options)


def test_metrics_of_classes_are_refused() -> None:
    with pytest.raises(UserError, match=r"'metrics'.* must be one of loss, mse, accuracy. Got 'auc'"):
        parse(RegressConfig, {"kind": "regress", "metrics": ["auc"]})
    with pytest.raises(UserError, match=r"'monitor' must be one of 'metrics', loss. Got 'mse'"):
        parse(RegressConfig, {"kind": "regress", "metrics": ["loss"]})
