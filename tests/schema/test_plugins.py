"""Kinds of installed packages: found, named, and refused where they replace another kind or fail."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import installed
import pytest

from seqlab import cli
from seqlab.baselines.baseline_kinds import BASELINES
from seqlab.data.data_kinds import BATCHING, DATASETS, TOKENIZERS
from seqlab.experiment.training_kinds import AVERAGINGS, OPTIMIZERS, SCHEDULES
from seqlab.measure.metric_kinds import DIAGNOSTICS, METRICS
from seqlab.models.layer_kinds import LAYERS
from seqlab.models.model_kinds import MODELS
from seqlab.schema import plugins
from seqlab.schema.errors import UserError
from seqlab.studies.search_kinds import SEARCHES


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    installed.forget()


def test_every_list_that_plugins_may_add_to_is_a_registry() -> None:
    registries = [DATASETS, TOKENIZERS, BATCHING, MODELS, LAYERS, BASELINES, OPTIMIZERS, SCHEDULES]
    registries += [AVERAGINGS, METRICS, DIAGNOSTICS, SEARCHES]
    assert tuple(each.listed for each in registries) == plugins.LISTS


def test_a_mapping_or_a_function_adds_kinds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = list(OPTIMIZERS)
    assert "plain" not in before
    mapping = installed.KINDS.replace("def kinds():\n    return", "KINDS =").replace("\n    ", "\n")
    for points, text in (("lab = lab_kinds:kinds", installed.KINDS), ("lab = lab_kinds:KINDS", mapping)):
        files = {**installed.PACKAGE, "__init__.py": text}
        installed.install(tmp_path, monkeypatch, points=points, files=files)
        assert list(OPTIMIZERS) == [*before, "plain"]
        assert OPTIMIZERS["plain"].__name__ == "PlainConfig"
        assert OPTIMIZERS.describe("plain") == "w = w - lr g (lab-kinds 1.0)"
        assert METRICS["gap"]("text").unit == "text"
        assert plugins.problems() == ""


def test_the_list_says_where_a_kind_comes_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    installed.install(tmp_path, monkeypatch)
    assert cli.run(["list", "optimizers", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["optimizers"]["plain"] == "w = w - lr g (lab-kinds 1.0)"


def test_the_identity_is_package_version_and_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = set[str]()
    for version, comment in (("1.0", ""), ("1.1", ""), ("1.0", "# changed\n")):
        files = {**installed.PACKAGE, "helper.py": comment}
        installed.install(tmp_path, monkeypatch, version=version, files=files)
        kind = OPTIMIZERS.plugin("plain")
        assert kind is not None
        assert kind.identity.startswith(f"lab-kinds {version} SHA-256 ")
        found.add(kind.identity)
    assert len(found) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 / 0", "Plugin 'lab' of lab-kinds 1.0 adds nothing, because it fails: ZeroDivisionError"),
        ("kinds = 3", "must be a mapping of lists to kinds, or a function that returns one. Got int"),
        ("kinds = {'model': {}}", "adds nothing. There is no list 'model'. Nearest: 'models'"),
        ("kinds = {'models': {'mine': 'lab_kinds:Net'}}", "must give each name of 'models' the path"),
        ("kinds = {'models': {'mine': ('Net', 'mine')}}", "must give each name of 'models' the path"),
    ],
)
def test_a_broken_plugin_is_reported_once_and_breaks_nothing_else(
    text: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    installed.install(tmp_path, monkeypatch, files={"__init__.py": text})
    with caplog.at_level(logging.WARNING):
        assert OPTIMIZERS["adam"].__name__ == "AdamConfig"
        assert cli.run(["list", "models"]) == 0
    (record,) = caplog.records
    assert message in record.getMessage()
    with pytest.raises(UserError, match=r"There is no model 'mine'.* Plugin 'lab' of lab-kinds 1.0"):
        MODELS["mine"]


def test_no_name_of_seqlab_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    text = "kinds = {'optimizers': {'adam': ('lab_kinds.optimizer:PlainConfig', 'other')}}"
    installed.install(tmp_path, monkeypatch, files={**installed.PACKAGE, "__init__.py": text})
    for _ in range(2):
        assert OPTIMIZERS["adam"].__name__ == "AdamConfig"
    assert OPTIMIZERS.describe("adam") == "Adam (Kingma and Ba 2015)"
    (record,) = caplog.records
    assert (
        "'adam' of 'optimizers' is seqlab's own seqlab.experiment.optimizers:AdamConfig, which "
        "lab_kinds.optimizer:PlainConfig of lab-kinds 1.0 cannot replace" in record.getMessage()
    )


def test_two_packages_cannot_have_one_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    installed.install(tmp_path, monkeypatch)
    installed.install(tmp_path, monkeypatch, name="other-kinds", points="other = lab_kinds:kinds")
    assert "plain" in list(OPTIMIZERS)
    assert "of lab-kinds 1.0, which lab_kinds.optimizer:PlainConfig of other-kinds 1.0" in caplog.text


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "import torch",
            "import no_such_module",
            "be imported from lab-kinds 1.0: ModuleNotFoundError",
        ),
        ('"plain"', '"plane"', "of lab-kinds 1.0 must be 'plain'. Got 'plane'"),
        ("PlainConfig", "OtherConfig", "cannot be imported from lab-kinds 1.0: AttributeError"),
    ],
)
def test_a_class_that_cannot_be_used_is_an_error_of_who_uses_it(
    old: str, new: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {**installed.PACKAGE, "optimizer.py": installed.OPTIMIZER.replace(old, new)}
    installed.install(tmp_path, monkeypatch, files=files)
    assert OPTIMIZERS["adam"].__name__ == "AdamConfig"
    with pytest.raises(UserError, match=message):
        OPTIMIZERS["plain"]
