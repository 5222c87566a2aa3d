"""Configs, tables and the command line load without torch: listing and reporting start at once."""

from __future__ import annotations

import subprocess
import sys

from seqlab.baselines.baseline_kinds import BASELINES
from seqlab.data.data_kinds import BATCHING, DATASETS, TOKENIZERS
from seqlab.experiment.training_kinds import AVERAGINGS, OPTIMIZERS, SCHEDULES
from seqlab.models.model_kinds import MODELS
from seqlab.schema.registry import Registry
from seqlab.studies.search_kinds import SEARCHES
from seqlab.tasks.task_kinds import TASKS

PACKAGES = ("seqlab.schema", "seqlab.runs", "seqlab.stats", "seqlab.comparison", "seqlab.report")
TABLES = {
    "seqlab.data.data_kinds",
    "seqlab.models.model_kinds",
    "seqlab.tasks.task_kinds",
    "seqlab.measure.metric_kinds",
    "seqlab.baselines.baseline_kinds",
    "seqlab.checkup.probe_kinds",
    "seqlab.experiment.training_kinds",
    "seqlab.studies.search_kinds",
}
REGISTRIES = (
    *(DATASETS, TOKENIZERS, BATCHING, MODELS, TASKS, BASELINES),
    *(OPTIMIZERS, SCHEDULES, AVERAGINGS, SEARCHES),
)
# Reads modules from its arguments, packages with all they hold from standard input; prints those that
# cannot be imported where there is no torch, and why.
PROGRAM = """
import importlib, pkgutil, sys
sys.modules["torch"] = None
modules = sys.argv[1:]
for package in sys.stdin.read().split():
    found = pkgutil.iter_modules(importlib.import_module(package).__path__, package + ".")
    modules += [package, *(module.name for module in found)]
for module in modules:
    try:
        importlib.import_module(module)
    except ImportError as error:
        print(module, "fails:", error)
assert len(modules) > 20, "the packages were not found"
"""


def modules_of(registry: Registry) -> set[str]:
    return {path.partition(":")[0] for path, _ in registry.table.values()}


def test_configs_tables_and_readers_of_runs_do_not_import_torch() -> None:
    modules = sorted(TABLES.union({"seqlab.cli"}, *(modules_of(registry) for registry in REGISTRIES)))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *modules],
        input="\n".join(PACKAGES),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
