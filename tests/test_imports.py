"""Configs, tables and the command line load without torch: listing and reporting start at once."""

from __future__ import annotations

import subprocess
import sys

from seqlab.baselines.baseline_kinds import BASELINES
from seqlab.data.data_kinds import BATCHING, DATASETS, TOKENIZERS
from seqlab.experiment.training_kinds import OPTIMIZERS, SCHEDULES
from seqlab.models.model_kinds import MODELS
from seqlab.schema.registry import Registry
from seqlab.studies.search_kinds import SEARCHES
from seqlab.tasks.task_kinds import TASKS

ROOMS = ("seqlab.schema", "seqlab.runs", "seqlab.compare", "seqlab.report")
TABLES = {
    f"seqlab.{room}.kinds"
    for room in ("data", "models", "tasks", "measure", "baselines", "checkup", "train", "studies")
}
REGISTRIES = (DATASETS, TOKENIZERS, BATCHING, MODELS, TASKS, BASELINES, OPTIMIZERS, SCHEDULES, SEARCHES)
# Reads modules from its arguments, rooms with all they hold from standard input; prints those that
# cannot be imported where there is no torch, and why.
PROGRAM = """
import importlib, pkgutil, sys
sys.modules["torch"] = None
modules = sys.argv[1:]
for room in sys.stdin.read().split():
    found = pkgutil.iter_modules(importlib.import_module(room).__path__, room + ".")
    modules += [room, *(module.name for module in found)]
for module in modules:
    try:
        importlib.import_module(module)
    except ImportError as error:
        print(module, "fails:", error)
assert len(modules) > 20, "the rooms were not found"
"""


def places(registry: Registry) -> set[str]:
    return {place.partition(":")[0] for place, _ in registry.table.values()}


def test_configs_tables_and_readers_of_runs_do_not_import_torch() -> None:
    modules = sorted(TABLES.union({"seqlab.cli"}, *(places(registry) for registry in REGISTRIES)))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *modules],
        input="\n".join(ROOMS),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
