"""Metrics of the user's own: their values by hand, in whatever pieces, and what is refused."""

from __future__ import annotations

from pathlib import Path

import own_metrics
import pytest
import torch

from seqlab.measure.metric import Scored, TargetMetric
from seqlab.measure.metric_kinds import METRICS
from seqlab.measure.suitable import check_metrics
from seqlab.schema.config import parse
from seqlab.schema.errors import UserError
from seqlab.schema.metric_spec import MetricSpec
from seqlab.schema.overrides import override
from seqlab.schema.records import Record, Scalar
from seqlab.tasks.classify import ClassifyTask
from seqlab.tasks.regress import RegressTask
from seqlab.tasks.task import Task
from seqlab.tasks.task_configs import ClassifyConfig, LanguageModelConfig, RegressConfig

FILE = Path(own_metrics.__file__)
LOGITS = torch.tensor([[0.5, 0.5], [0.25, 0.75], [0.9, 0.1]]).log()
TARGETS = torch.tensor([0, 1, 1])


def own(name: str) -> str:
    return f"{FILE}:{name}"


def piece(begin: int, end: int) -> Scored:
    part = slice(begin, end)
    return Scored(torch.ones(end - begin), LOGITS[part], TARGETS[part], torch.zeros(end - begin).long())


def records(name: str, *pieces: Scored) -> list[Record]:
    metric: TargetMetric = METRICS[own(name)]("text")
    for each in pieces:
        metric.update(each)
    return metric.records("valid")


@pytest.mark.parametrize("cuts", [[(0, 3)], [(0, 1), (1, 3)], [(0, 2), (2, 2), (2, 3)]])
def test_values_by_hand(cuts: list[tuple[int, int]]) -> None:
    pieces = [piece(*cut) for cut in cuts]
    (record,) = records("quadratic", *pieces)
    by_hand = (2 * 0.25 + 2 * 0.0625 + 2 * 0.81) / 3
    assert isinstance(record, Scalar)
    assert (record.name, record.unit, record.split) == ("quadratic", "squared distance", "valid")
    assert record.value == pytest.approx(by_hand, rel=1e-6)
    (record,) = records("Hits", *pieces)
    assert isinstance(record, Scalar)
    assert (record.name, record.unit, record.value) == ("Hits", "Hits", pytest.approx(2 / 3))


def test_a_metric_cannot_change_what_others_read() -> None:
    scored = piece(0, 3)
    before = scored.logits.clone(), scored.targets.clone()
    records("changes_its_inputs", scored)
    assert torch.equal(scored.logits, before[0])
    assert torch.equal(scored.targets, before[1])


def test_numbers() -> None:
    targets, predicted = torch.tensor([0.5, 2.0]), torch.tensor([[1.0], [0.5]])
    (record,) = records("absolute_error", Scored(torch.ones(2), predicted, targets, torch.zeros(2).long()))
    assert isinstance(record, Scalar)
    assert record.value == 1.0


def check(*names: str, task: Task | None = None, outputs: int = 3) -> None:
    check_metrics([own(name) for name in names], task or ClassifyTask(), outputs, {})


def test_what_works_passes() -> None:
    check("quadratic", "Hits", "changes_its_inputs")
    check("absolute_error", task=RegressTask(), outputs=1)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "undecided",
            r"which values are better, by undecided.better = 'lower' or 'higher'. Got None",
        ),
        ("mean", r"one number for each of 6 targets, shape \(6,\). Got shape \(\)"),
        ("batch_share", "must not depend on the pieces in which targets are counted. Got .* in 3 pieces"),
        ("asks", "no argument 'hidden' for own_metrics.py:asks to have. Known: logits, pred"),
        ("fails", r"own_metrics.py:\d+ failed while it counted targets: AttributeError"),
        ("loss", "must have a name that no other metric has. Got 'loss'"),
        ("NoValue", "must have the methods update and value. Got none of name 'value'"),
        ("NotFinite", "must be finite. Got nan in split 'valid'"),
        ("Table", "must return one number. Got list"),
        (
            "complex_numbers",
            r"one number for each of 6 targets, shape \(6,\). Got shape \(6,\), complex64 on",
        ),
        ("Text", "must return one number. Got str"),
        ("HugeNumber", "must return one number. Got int"),
        ("long_unit", "must be a text that can be printed, of at most 200 characters. Got 'uuu"),
        ("odd_unit", r"must be a text that can be printed.* Got '\\ud800'"),
        ("NoAttribute", r"own_metrics.py:\d+ failed while its 'better' and 'unit' were read: KeyError"),
        ("quadratix", "Nearest: 'quadratic'"),
    ],
)
def test_what_is_no_metric_is_refused(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        check(name)


def test_probabilities_of_numbers_are_refused() -> None:
    with pytest.raises(UserError, match=r"must not ask for 'probabilities' .* Nearest: 'predictions'"):
        check("quadratic", task=RegressTask(), outputs=1)


def test_two_metrics_have_two_names(tmp_path: Path) -> None:
    other = tmp_path / "other.py"
    other.write_text("def quadratic(targets):\n    return targets\n\nquadratic.better = 'lower'\n")
    with pytest.raises(UserError, match=r"must have a name that no other metric has. Got 'quadratic'"):
        check_metrics([own("quadratic"), f"{other}:quadratic"], ClassifyTask(), 3, {})


def test_it_may_be_the_monitor() -> None:
    for written in ("quadratic", own("quadratic")):
        table = {"metrics": ["loss", own("quadratic")], "monitor": written}
        expected = MetricSpec(name="quadratic", unit="squared distance", better="lower")
        for cls in (ClassifyConfig, RegressConfig, LanguageModelConfig):
            task = parse(cls, table)
            assert (task.monitor, task.monitor_spec) == ("quadratic", expected)
    table, _ = override(ClassifyConfig, {"metrics": [own("Hits")]}, "monitor=Hits")
    assert parse(ClassifyConfig, table).monitor_spec.better == "higher"


def test_a_monitor_that_is_not_measured_is_refused() -> None:
    with pytest.raises(UserError, match=r"'task.monitor' must be one of loss, accuracy.* Got 'quadratic'"):
        parse(ClassifyConfig, {"monitor": "quadratic"}, "task")
    with pytest.raises(UserError, match=r"must be a metric of your own that is one of loss, accuracy"):
        parse(ClassifyConfig, {"monitor": own("quadratic")}, "task")
