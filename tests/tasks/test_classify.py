"""The classification task: weights, metrics, and the one that picks checkpoints."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from seqlab.data.dataset import About, Dataset, Limit, Split
from seqlab.data.ragged import Ragged
from seqlab.data.tokenizers.words import WordsConfig
from seqlab.schema.config import parse
from seqlab.schema.errors import UserError
from seqlab.tasks.classify import ClassifyTask, balanced_weights
from seqlab.tasks.loss_options import NO_OPTIONS, LossOptions
from seqlab.tasks.task_configs import ClassifyConfig

LABELS = {"train": [0, 0, 0, 0, 1, 1, 2, 0], "valid": [0, 1, 2]}


def dataset() -> Dataset:
    splits = {
        name: Split(Ragged(np.zeros(len(ids), np.int32), np.arange(len(ids) + 1)), targets=np.array(ids))
        for name, ids in LABELS.items()
    }
    tokenizer = WordsConfig().train(["a"])
    return Dataset("own", splits, tokenizer, ("a", "b", "c"), Limit(), "0", About("d", "o", "l"))


def build(options: LossOptions = NO_OPTIONS, **settings: object) -> ClassifyTask:
    task = parse(ClassifyConfig, {"kind": "classify", **settings}).build(dataset(), options)
    assert isinstance(task, ClassifyTask)
    return task


def test_balanced_weights_weigh_every_class_the_same():
    labels = np.array(LABELS["train"])
    weights = balanced_weights(labels, 3).numpy()
    assert weights == pytest.approx([8 / (3 * 5), 8 / (3 * 2), 8 / 3], rel=1e-6)
    assert np.bincount(labels) * weights == pytest.approx([8 / 3] * 3, rel=1e-6)
    assert weights[labels].mean() == pytest.approx(1)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_the_loss_is_weighted_and_counts_texts(smoothing: float):
    weights = torch.tensor([0.5, 1.0, 3.0])
    task = ClassifyTask(smoothing, class_weights=weights)
    random = torch.Generator().manual_seed(0)
    features, targets = torch.randn(5, 3, generator=random), torch.tensor([0, 2, 1, 2, 0])
    total, count = task.loss(nn.Identity(), features, targets)
    nats = -features.log_softmax(dim=-1)
    own = weights[targets] * nats[torch.arange(5), targets]
    expected = (1 - smoothing) * own.sum() + smoothing / 3 * (nats * weights).sum()
    assert total.item() == pytest.approx(expected.item(), rel=1e-6)
    assert count == 5


def test_evaluation_is_never_weighted():
    task = ClassifyTask(0.0, class_weights=torch.tensor([0.5, 1.0, 3.0]))
    features, targets = torch.eye(3), torch.tensor([0, 1, 1])
    nats, _ = task.scores(nn.Identity(), features, targets)
    assert torch.equal(nats, functional.cross_entropy(features, targets, reduction="none"))


def test_every_setting_acts():
    plain = build()
    assert plain.class_weights is None
    assert (plain.metrics, plain.monitor.name, plain.monitor.better) == (
        ("loss", "accuracy"),
        "accuracy",
        "higher",
    )
    assert plain.labels == ("a", "b", "c")
    balanced = build(LossOptions(class_weights="balanced"))
    assert balanced.class_weights is not None
    assert torch.equal(balanced.class_weights, balanced_weights(np.array(LABELS["train"]), 3))
    assert plain.label_smoothing == 0.0
    other = build(LossOptions(label_smoothing=0.1), metrics=["loss", "macro_f1"], monitor="loss")
    assert (other.metrics, other.monitor.name, other.monitor.better) == (
        ("loss", "macro_f1"),
        "loss",
        "lower",
    )
    assert other.label_smoothing == 0.1


def test_what_picks_the_best_must_be_measured():
    with pytest.raises(UserError, match=r"'monitor' must be one of 'metrics', loss\. Got 'accuracy'"):
        build(metrics=["loss"])
