"""Code of the user's own that prints, ends the program, or fails in the middle of the work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tiny

SIZES = [setting for setting in tiny.BRACKETS[1:] if not setting.startswith("model.")]
SIZES += ["training.epochs=1", "training.matmul=torch"]
CELL = """import sys
import torch
print("imported")

class Broken(torch.autograd.Function):
    @staticmethod
    def forward(context, x):
        return x.clone()

    @staticmethod
    def backward(context, gradient):
        raise {error}

def works(x, h, u):
    print("a step")
    return torch.tanh(x.a + u.a(h))

def fails(x, h, u):
    return Broken.apply(torch.tanh(x.a + u.a(h)))
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("cell.py").write_text(CELL.format(error="SystemExit(0)"))


def test_what_code_prints_is_no_result(seqlab) -> None:
    result = seqlab("train", "brackets-lstm", *SIZES, "model.cell=cell.py:works", "--json")
    assert result.status == 0, result.err
    assert json.loads(result.out)["steps"]
    assert "a step" in result.err
    name = Path(json.loads(result.out)["run"]).name
    sampled = seqlab("sample", name, "--count", "2", "--length", "3", "--json")
    assert len(json.loads(sampled.out)) == 2


@pytest.mark.parametrize("error", ["SystemExit(0)", "GeneratorExit()", "KeyError('b')"])
def test_a_failure_within_training_names_the_line(refused, error: str) -> None:
    Path("cell.py").write_text(CELL.format(error=error))
    message = refused("train", "brackets-lstm", *SIZES, "model.cell=cell.py:fails")
    assert f"seqlab: cell.py:12 failed: {error.partition('(')[0]}" in message


def test_an_arm_that_ends_the_program_does_not_end_the_study(seqlab) -> None:
    words = ("constant", "torch")
    pairs = dict(each.split("=") for each in SIZES).items()
    settings = "".join(f"{key} = {repr(value) if value in words else value}\n" for key, value in pairs)
    Path("arms.toml").write_text(
        'base = "brackets-lstm"\nseeds = [1]\n[axes]\nmodel.cell = ["cell.py:fails", "elman"]\n'
        f"[settings]\n{settings}"
    )
    result = seqlab("study", "arms.toml")
    assert result.status == 0, result.err
    assert "cell.py:12 failed: SystemExit: 0." in result.out + result.err
    assert len(list(Path("runs").glob("*/finished.json"))) == 1
