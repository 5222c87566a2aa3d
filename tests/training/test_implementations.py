"""A training run with each implementation of its recurrence: the same run but for rounding."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from tiny import BRACKETS, fit

from seqlab.models.model_config import CellName
from seqlab.nn.implementation import Implementation
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.records import Scalar


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "runs"))


def losses(run: RunFolder) -> list[float]:
    scalars = [record for record, _ in run.records() if isinstance(record, Scalar)]
    return [each.value for each in scalars if (each.name, each.split) == ("loss", "train")]


@pytest.mark.parametrize("cell", get_args(CellName))
def test_a_run_is_the_same_with_each_implementation(cell: str) -> None:
    settings = [f"model.cell={cell}", "training.epochs=3"]
    made = [fit(BRACKETS, *settings, f"model.implementation={each}") for each in get_args(Implementation)]
    kernels, torch, equations = map(losses, made)
    assert len(kernels) >= 12
    assert kernels == pytest.approx(equations, rel=1e-5)
    assert torch == pytest.approx(equations, rel=1e-5)
