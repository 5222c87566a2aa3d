"""`seqlab check`: the faults of modules, recipes and runs, with evidence and exit status."""

from __future__ import annotations

import json
from pathlib import Path

import own_models
import pytest
import tiny

import seqlab
from seqlab import cli
from seqlab.checkup import learning_probes
from seqlab.checkup.probe_kinds import PROBES
from seqlab.evaluate.checkups import checkup
from seqlab.schema.errors import UserError

OWN = own_models.__file__
SIZES = [setting for setting in tiny.BRACKETS[1:] if not setting.startswith("model.")]


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "runs"))


@pytest.mark.parametrize(
    ("name", "settings", "faults"),
    [
        ("GruLanguageModel", [], set()),
        ("TimeFirstLanguageModel", [], set()),
        ("DictLanguageModel", [], set()),
        ("PackedClassifier", [], set()),
        ("MaskClassifier", [], set()),
        ("OneLogit", [], {"batch_independence", "padding_changes_nothing"}),
        ("MixesRows", [], {"batch_independence", "padding_changes_nothing", "whole_equals_steps"}),
        ("LastStepClassifier", [], {"batch_independence", "padding_changes_nothing"}),
        (
            "TransformerLanguageModel",
            ["model.arguments.masked=false"],
            {"batch_independence", "padding_changes_nothing", "no_look_ahead", "whole_equals_steps"},
        ),
        ("StartsAgain", [], {"whole_equals_steps"}),
        ("Unused", [], {"gradients_reach_parameters"}),
    ],
)
def test_faults_of_a_module(
    name: str, settings: list[str], faults: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the adapter avoids or refuses in training is found here."""
    monkeypatch.setattr(learning_probes, "LEFT", 1.1)  # memorising is not what differs
    found = checkup(f"{OWN}:{name}", settings)
    assert {finding.probe for finding in found.faults} == faults
    assert [row[0] for row in found.table] == list(PROBES)
    assert all(evidence for _, _, evidence in found.table)


def test_the_command_prints_evidence_and_ends_with_status_1(capsys) -> None:
    assert cli.run(["check", f"{OWN}:MixesRows"]) == 1
    out, err = capsys.readouterr()
    assert "batch_independence" in out
    assert "changes the logits by" in out
    assert "has a fault: batch_independence, padding_changes_nothing, whole_equals_steps." in err
    assert cli.run(["check", f"{OWN}:MaskClassifier", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    results = {row["probe"]: row["result"] for row in content["probes"]}
    assert results["batch_independence"] == "passed"
    assert results["no_look_ahead"] == "not checked"
    assert "'mask' as a mask that is true at tokens" in content["notes"][0]


def test_a_recipe_and_a_run_are_checked_on_their_data(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = seqlab.check(tiny.BRACKETS[0], tiny.BRACKETS[1:])
    assert not recipe.faults
    made = tiny.fit(tiny.BRACKETS)
    run = seqlab.check(made.path)
    assert not run.faults
    assert set(run.findings) == set(PROBES)
    assert "whole_equals_steps: passed" in repr(run)
    monkeypatch.setattr("seqlab.evaluate.checkups.read_dataset", lambda run, config: pytest.fail("not read"))
    with pytest.raises(UserError, match=r"Settings must be left out for a run, .* Got 'seed=2'"):
        seqlab.check(made.path, ["seed=2"])
    with pytest.raises(UserError, match=r"'task' must be left out for a recipe or a run"):
        seqlab.check(made.path, task="classify")


def test_a_run_with_code_of_another_machine_needs_trust(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = ["model.kind=import", f"model.path={OWN}:GruLanguageModel", "training.matmul=torch"]
    made = tiny.fit(["brackets-lstm", *SIZES, *own, "training.epochs=1"])
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path / "other"))
    with pytest.raises(UserError, match="must be trusted"):
        seqlab.check(made.path)
    assert not seqlab.check(made.path, trust=True).faults


def test_what_cannot_be_checked_says_why(capsys) -> None:
    assert cli.run(["check", "marked-addition-majority"]) == 2
    assert "must have a network to be checked. Got a baseline." in capsys.readouterr().err
    assert cli.run(["check", f"{OWN}:WrongShape", "--task", "language-model"]) == 2
    assert "must return logits of shape" in capsys.readouterr().err
    assert cli.run(["check", f"{OWN}:KeepsItsState"]) == 2
    assert "must give the same output for the same tokens" in capsys.readouterr().err
