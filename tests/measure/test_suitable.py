"""Metrics that are not defined for a task or a split are refused before anything is scored."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from seqlab.data.dataset import Split
from seqlab.data.ragged import ragged
from seqlab.measure.metric_kinds import METRICS
from seqlab.measure.suitable import check_metrics
from seqlab.schema.errors import UserError
from seqlab.tasks.classify import ClassifyTask
from seqlab.tasks.language_modelling import LanguageModelTask
from seqlab.tasks.regress import RegressTask
from seqlab.tasks.task import Task

MACRO = {"macro_precision", "macro_recall", "macro_f1"}
OF_CLASSES = {"loss", "perplexity", "accuracy", *MACRO, "auc", "confusion_matrix"}
OF_TOKENS = OF_CLASSES | {"bits_per_token", "bits_per_character", "loss_per_position"}
TRUST = {"label_scores", "brier", "calibration", "abstention", "accuracy_by_length"}
TASKS: dict[str, tuple[Task, set[str]]] = {
    "class": (ClassifyTask(labels=("a", "b")), OF_CLASSES | TRUST),
    "text": (LanguageModelTask(0, 1, of_characters=True), OF_TOKENS),
    "number": (RegressTask(), {"loss", "mse", "accuracy"}),
}


def split(targets: Sequence[float] | None = (0, 1)) -> Split:
    rows = [np.array([2]), np.array([3])]
    return Split(ragged(rows), targets=None if targets is None else np.array(targets))


@pytest.mark.parametrize("key", list(METRICS))
@pytest.mark.parametrize("output", list(TASKS))
def test_a_metric_of_another_task(key: str, output: str) -> None:
    task, known = TASKS[output]
    if key in known:
        check_metrics([key], task, 2, {"valid": split()})
        return
    with pytest.raises(
        UserError, match=rf"must be defined for what the task predicts, .* Got '{key}'. Known: "
    ) as e:
        check_metrics(["loss", key], task, 2, {"valid": split()})
    assert set(str(e.value).partition("Known: ")[2].rstrip(".").split(", ")) == known


@pytest.mark.parametrize("key", ["auc", "confusion_matrix"])
def test_too_many_labels(key: str) -> None:
    task = ClassifyTask(metrics=("loss", "auc", "confusion_matrix"), monitor="auc")
    check_metrics([key], task, 1_000, {"valid": split()})
    remedy = r"task\.metrics=loss task\.monitor=loss$"
    words = rf"Metric '{key}' needs at most 1,000 outputs\. Got 1,001\. Leave it out: {remedy}"
    with pytest.raises(UserError, match=words):
        check_metrics([key], task, 1_001, {"valid": split()})


def test_no_area_where_there_is_one_label() -> None:
    task = ClassifyTask(labels=("a", "b"), metrics=("auc", "accuracy"))
    splits = {"train": split(), "valid": split([1, 1])}
    with pytest.raises(UserError, match=r"Got 'b' in all of 'valid'\. Leave it out: task\.metrics=accuracy$"):
        check_metrics(["auc"], task, 2, splits)
    check_metrics(["accuracy"], task, 2, splits)


def test_a_text_of_one_token_has_no_area() -> None:
    running = Split(ragged([np.array([2, 2, 2])]), running=True)
    with pytest.raises(UserError, match=r"Got one in all of 'valid'"):
        check_metrics(["auc"], LanguageModelTask(0, None), 4, {"valid": running})


def test_bits_per_character_of_other_tokens() -> None:
    check_metrics(["bits_per_character"], LanguageModelTask(0, 1, of_characters=True), 4, {})
    with pytest.raises(UserError, match=r"needs tokens that are single characters\. .* 'bits_per_token'"):
        check_metrics(["bits_per_character"], LanguageModelTask(0, 1), 4, {})


def test_an_unknown_metric() -> None:
    with pytest.raises(UserError, match=r"There is no metric 'los'. Nearest: 'loss'"):
        check_metrics(["los"], LanguageModelTask(0, 1), 4, {})
