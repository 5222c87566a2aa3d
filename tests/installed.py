"""A small package as pip installs it, with entry points of the group `seqlab.plugins`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from seqlab.schema import plugins

KINDS = """
def kinds():
    return {
        "optimizers": {"plain": ("lab_kinds.optimizer:PlainConfig", "w = w - lr g")},
        "metrics": {"gap": ("lab_kinds.metric:Gap", "1 - p(target)")},
    }
"""
OPTIMIZER = '''
from typing import Literal
import torch
from seqlab.experiment.optimizers import OptimizerConfig

class PlainConfig(OptimizerConfig):
    """w = w - lr g."""

    kind: Literal["plain"] = "plain"
    """Name of the optimizer."""

    def build(self, parameters):
        return torch.optim.SGD(parameters, lr=self.learning_rate)
'''
METRIC = """
from seqlab.measure.metric import Mean, TargetMetric
from seqlab.schema.records import Scalar

class Gap(TargetMetric):
    def __init__(self, unit, labels=()):
        super().__init__(unit, labels)
        self.mean = Mean()

    def update(self, scored):
        self.mean.add(1 - (-scored.nats).exp())

    def records(self, split):
        return [Scalar(name="gap", value=self.mean.value(split), unit="probability", split=split)]
"""
PACKAGE = {"__init__.py": KINDS, "optimizer.py": OPTIMIZER, "metric.py": METRIC}


def install(
    folder: Path,
    patch: pytest.MonkeyPatch,
    *,
    name: str = "lab-kinds",
    version: str = "1.0",
    points: str = "lab = lab_kinds:kinds",
    files: Mapping[str, str] = PACKAGE,
) -> None:
    """Install it for as long as the patch holds, in place of what a folder has."""
    module = name.replace("-", "_")
    for file, text in files.items():
        path = folder / module / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    about = folder / f"{module}.dist-info"
    about.mkdir(parents=True, exist_ok=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (about / "entry_points.txt").write_text(f"[seqlab.plugins]\n{points}\n")
    if str(folder) not in sys.path:
        patch.syspath_prepend(str(folder))
    forget(module)


def forget(module: str = "lab_kinds") -> None:
    """What a new process does not know yet."""
    for known in [name for name in sys.modules if name.partition(".")[0] == module]:
        del sys.modules[known]
    for cached in (plugins._load, plugins._code_hash):
        cached.cache_clear()
    plugins._warned.clear()
