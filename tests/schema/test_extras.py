"""Packages that an installation may lack: named where they are missing, and imported by nothing else."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from pages import ROOT

from seqlab.schema.errors import UserError
from seqlab.schema.extras import EXTRAS, is_installed, require

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OPTIONAL = PROJECT["optional-dependencies"]
# Runs commands, given as JSON lists, where some modules cannot be imported.
PROGRAM = """
import json, sys
commands, forbidden = map(json.loads, sys.argv[1:])
sys.modules.update(dict.fromkeys(forbidden))
from seqlab.cli import run
for command in commands:
    assert run(command) == 0, command
"""


def _name(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9_.-]", requirement)[0].lower().replace("_", "-")


def _closure(names: set[str]) -> set[str]:
    """The distributions that an installation of these brings, by what each installed one declares."""
    known: set[str] = set()
    open_ = set(names)
    while open_:
        name = open_.pop()
        known.add(name)
        try:
            declared = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue  # for another platform
        open_ |= {_name(line) for line in declared if "extra ==" not in line} - known
    return known


def test_extras_are_those_of_the_project() -> None:
    for extra, package in EXTRAS.items():
        assert [_name(line) for line in OPTIONAL[extra]] == [package]
    assert OPTIONAL["all"] == [f"seqlab[{','.join(EXTRAS)}]"]


def test_all_extras_are_installed_here() -> None:
    for extra in EXTRAS:
        assert is_installed(extra)
        require(extra, "a test")


def test_an_extra_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    assert not is_installed("nb-svm")
    with pytest.raises(
        UserError, match=r"^NB-SVM needs the package 'scikit-learn', .* pip install scikit-learn"
    ):
        require("nb-svm", "NB-SVM")


@pytest.mark.slow
def test_the_demo_and_ordinary_commands_need_no_extra(tmp_path: Path) -> None:
    """They work where nothing is installed but what an installation without extras brings."""
    small = ["data.train=200", "data.valid=40", "data.test=40", "training.max_steps=3", "samples.checked=5"]
    commands = [
        ["list"],
        ["train", "brackets-lstm", *small],
        ["sample", "brackets-lstm", "--count", "1"],
        ["diagnose", "brackets-lstm"],
        ["report", "brackets-lstm", "-o", str(tmp_path / "report.html")],
        ["demo", "--quick", "--seeds", "1", "--output", str(tmp_path / "demo.html")],
    ]
    brought = _closure({_name(requirement) for requirement in PROJECT["dependencies"]}) | {"seqlab"}
    forbidden = [
        module
        for module, names in metadata.packages_distributions().items()
        if not {_name(name) for name in names} & (brought | {"setuptools", "pip"})
    ]
    assert {"sklearn", "optuna", "tokenizers", "tensorboard", "pytest"} <= set(forbidden)
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(commands), json.dumps(forbidden)],
        cwd=tmp_path,
        env={**os.environ, "SEQLAB_RUNS": str(tmp_path / "runs")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert "the package 'tensorboard' is not installed" in " ".join(ended.stderr.split())
