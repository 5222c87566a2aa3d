"""Configs, tables and the command line load without torch: listing and reporting start at once."""

from __future__ import annotations

import subprocess
import sys

from seqlab.data.kinds import BATCHING, DATASETS, TOKENIZERS
from seqlab.models.kinds import MODELS
from seqlab.schema.registry import Registry
from seqlab.tasks.kinds import TASKS
from seqlab.train.kinds import OPTIMIZERS, SCHEDULES

ROOMS = ("seqlab.schema", "seqlab.runs", "seqlab.compare", "seqlab.report")
TABLES = {f"seqlab.{room}.kinds" for room in ("data", "models", "tasks", "measure", "checkup", "train")}
REGISTRIES = (DATASETS, TOKENIZERS, BATCHING, MODELS, TASKS, OPTIMIZERS, SCHEDULES)
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
