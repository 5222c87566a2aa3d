"""`seqlab check`: what is found in modules, recipes, runs and pipelines, with evidence and exit status."""

from __future__ import annotations

import json
from pathlib import Path

import own_models
import pytest
import tiny

import seqlab
from seqlab import cli
from seqlab.checkup.probe_kinds import PROBES
from seqlab.evaluate.checkups import CheckOptions, checkup
from seqlab.schema.errors import UserError

OWN = own_models.__file__
SIZES = [setting for setting in tiny.BRACKETS[1:] if not setting.startswith("model.")]
QUICK = CheckOptions(skip=("one_batch_overfitted",))


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "runs"))


@pytest.mark.parametrize(
    ("name", "settings", "faults"),
    [
        ("GruLanguageModel", [], set()),
        ("GruLanguageModel", ["size=6"], set()),
        ("TimeFirstLanguageModel", [], set()),
        ("DictLanguageModel", [], set()),
        ("PackedClassifier", [], set()),
        ("MaskClassifier", [], set()),
        ("OneLogit", [], {"any_size"}),
        ("MixesRows", [], {"batch_independence"}),
        ("TransformerLanguageModel", ["model.arguments.masked=false"], {"no_look_ahead"}),
        ("StartsAgain", [], {"whole_equals_steps", "initial_state_used"}),
        ("Unused", [], {"gradients_reach_parameters"}),
        ("KeepsItsState", [], {"repeatable"}),
    ],
)
def test_faults_of_a_module(name: str, settings: list[str], faults: set[str]) -> None:
    """What the adapter avoids or refuses in training is found here."""
    found = checkup(f"{OWN}:{name}", settings, options=QUICK)
    assert {finding.probe for finding in found.faults} >= faults
    assert bool(found.faults) == bool(faults)
    assert [finding.probe for finding in found] == [name for name in PROBES if name not in QUICK.skip]
    assert all(finding.evidence for finding in found)


def test_the_command_prints_evidence_and_ends_with_status_1(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    only = ["--only", "batch_independence", "--only", "no_look_ahead"]
    assert cli.run(["check", f"{OWN}:MixesRows", *only, "-o", str(page)]) == 1
    out, err = capsys.readouterr()
    assert "changes outputs by" in out
    assert "likely cause:" in out
    assert "MixesRows is broken: batch_independence." in err
    text = page.read_text(encoding="utf-8")
    assert "<h2>batch_independence</h2>" in text
    assert "no_look_ahead" in text
    assert "http" not in text.replace("http-equiv", "")
    assert cli.run(["check", f"{OWN}:MaskClassifier", "--json", *only]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["healthy"]
    assert {probe["probe"]: probe["status"] for probe in content["probes"]} == {
        "batch_independence": "sound",
        "no_look_ahead": "not applicable",
    }
    assert "'mask' as a mask that is true at tokens" in content["notes"][0]


def test_a_recipe_and_a_run_are_checked_on_their_data(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = seqlab.check(tiny.BRACKETS[0], settings=tiny.BRACKETS[1:])
    assert recipe.healthy, str(recipe)
    made = tiny.fit(tiny.BRACKETS)
    run = seqlab.check(made.path)
    assert run.healthy, str(run)
    assert run["whole_equals_steps"].status == "sound"
    assert run["initial_loss"].evidence == "its weights are trained"
    assert "sound        whole_equals_steps" in str(run)
    monkeypatch.setattr("seqlab.evaluate.checkups.read_dataset", lambda run, config: pytest.fail("not read"))
    with pytest.raises(UserError, match=r"Settings must be left out for a run, .* Got 'seed=2'"):
        seqlab.check(made.path, settings=["seed=2"])
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


BAD = """
import time
import torch
from torch import nn

class Base(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, vocabulary)

class NotBuilt(Base):
    def __init__(self, vocabulary):
        raise RuntimeError("no weights today")

class NeedsGpu(Base):
    def forward(self, tokens):
        return self.embedding(tokens).cuda()

class OtherArguments(Base):
    def forward(self, tokens, graph):
        return self.embedding(tokens)

class Hangs(Base):
    def forward(self, tokens):
        time.sleep(60)

class Dies(Base):
    def forward(self, tokens):
        import os
        os._exit(3)

class Prints(Base):
    def forward(self, tokens):
        print("printed by the module")
        return self.embedding(tokens)

def splits():
    examples = [([3 + i, 4, 5 + i], i % 2) for i in range(9)]
    rows = [[*tokens, 0] for tokens, _ in examples]
    batches = [
        {"tokens": rows[i : i + 4], "lengths": [3] * 4, "labels": [label for _, label in examples[i : i + 4]]}
        for i in (0, 4)
    ]
    return {"train": (examples, batches)}

def fails():
    return {"train": 7}
"""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("NotBuilt", "no weights today"),
        ("NeedsGpu", "failed while it read"),
        ("OtherArguments", "must be given 'graph', which has no known role"),
    ],
)
def test_a_module_that_cannot_be_examined_says_why(name: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(BAD, encoding="utf-8")
    with pytest.raises(UserError, match=words):
        seqlab.check(f"bad.py:{name}")


def test_the_command_survives_what_a_module_does(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(BAD, encoding="utf-8")
    assert cli.run(["check", "bad.py:Hangs", "--time-limit", "1"]) == 2
    assert "had not answered when the time limit was reached" in capfd.readouterr().err
    assert cli.run(["check", "bad.py:Dies"]) == 2
    assert "the process of the checkup died" in capfd.readouterr().err
    assert cli.run(["check", "bad.py:Prints", "--json", "--only", "any_size"]) == 0
    out, err = capfd.readouterr()
    assert json.loads(out)["healthy"]
    assert "printed by the module" in err


def test_a_pipeline_is_checked_by_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(BAD, encoding="utf-8")
    assert cli.run(["check", "--data", "bad.py:splits", "padding=0"]) == 1
    out, err = capsys.readouterr()
    assert "1 of 9 examples of split 'train' are in no batch" in out
    assert "is broken: examples_kept, order_shuffled." in err
    assert cli.run(["check", "--data", "bad.py:fails"]) == 2
    assert "Split 'train' must be iterable over batches. Got int." in capsys.readouterr().err
    assert cli.run(["check", "--data", "bad.py:splits", "pad=0"]) == 2
    assert "must be padding=ID or end=ID" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["marked-addition-majority"], "must have a network to be checked. Got a baseline."),
        ([f"{OWN}:Unused", "--only", "no_look_ahed"], "Nearest: 'no_look_ahead'"),
        ([], "Something must be checked"),
        ([f"{OWN}:Unused", "-o", "page.pdf"], "must end in .html"),
        ([f"{OWN}:Unused", "--time-limit", "0"], "must be at least 1 second"),
    ],
)
def test_wrong_input_is_refused(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["check", *arguments]) == 2
    assert words in capsys.readouterr().err
