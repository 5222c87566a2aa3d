"""What can be deleted without losing a result: unused encoded data, old checkpoints, leftovers of kills."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from seqlab.data import cache
from seqlab.data.locations import located
from seqlab.experiment.experiment_config import parse_experiment
from seqlab.runs import atomic, checkpoints, run_folder, study_folder
from seqlab.runs.run_files import written_folders
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.config import canonical
from seqlab.schema.errors import UserError, WorkError

Kind = Literal["encoded data", "checkpoint", "leftover"]


@dataclass(frozen=True)
class Waste:
    """A file or folder that nobody needs. of: the run that a checkpoint is of."""

    kind: Kind
    path: Path
    bytes: int
    of: RunFolder | None = None


MEANINGS: dict[Kind, str] = {
    "encoded data": "encoded data in the cache that no run here uses; it is encoded again when needed",
    "checkpoint": "checkpoints of finished runs besides the one that holds the result, and copies of the "
    "weights they started from",
    "leftover": "half-written files of killed processes",
}


def find_waste() -> list[Waste]:
    """Everything that can be deleted, by kind; nothing is changed.

    Raises:
        UserError: the folder of runs cannot be read.
    """
    runs = list(_runs())
    return [*_unused_data(runs), *(waste for run in runs for waste in _old_checkpoints(run)), *_leftovers()]


def delete(waste: Waste) -> bool:
    """Delete something, unless it is in use by now; returns whether it is gone.

    Raises:
        DiskError: it cannot be deleted.
    """
    if waste.kind == "leftover":
        atomic.remove_leftover(waste.path)
    elif waste.of is None:
        cache.remove_entry(waste.path)
    else:
        # A run that is scored meanwhile reads its best checkpoint alone.
        with suppress(WorkError), waste.of.lock():
            if waste.path in _old_paths(waste.of):
                atomic.remove(waste.path)
    return not os.path.lexists(waste.path)


def _runs() -> Iterator[RunFolder]:
    for name in run_folder.names():
        # Of a damaged run nothing is deleted.
        with suppress(UserError):
            yield run_folder.open_run(run_folder.root() / name)


def _unused_data(runs: list[RunFolder]) -> list[Waste]:
    used: set[Path] = set()
    for run in runs:
        with suppress(UserError):
            data = parse_experiment(run.settings()).data
            used.add(cache.entry_path(data.kind, canonical(located(data)), run.data()["content_hash"]))
    return [Waste("encoded data", path, size_of(path)) for path in cache.entries() if path not in used]


def _old_checkpoints(run: RunFolder) -> list[Waste]:
    with suppress(UserError):
        return [Waste("checkpoint", path, size_of(path), run) for path in _old_paths(run)]
    return []


def _old_paths(run: RunFolder) -> list[Path]:
    """The checkpoints of a finished run but the one of its result, and the weights that it started from.

    None where that one is missing.
    """
    if not run.finished:
        return []
    best = run.checkpoints / checkpoints.name(run.summary()["best_step"])
    every = checkpoints.checkpoints(run.checkpoints)
    if best not in every:
        return []
    start = [run.start_copy] if os.path.lexists(run.start_copy) else []
    return [*start, *(path for path in every if path != best)]


def _leftovers() -> list[Waste]:
    root = run_folder.root()
    inside = [folder for name in run_folder.names() for folder in written_folders(root / name)]
    studies = [study_folder.studies_root() / name for name in study_folder.names()]
    folders = [root, study_folder.studies_root(), *studies, *inside]
    found = [path for folder in folders for path in atomic.leftovers(folder) if atomic.is_abandoned(path)]
    return [Waste("leftover", path, size_of(path)) for path in found]


def size_of(path: Path) -> int:
    """Bytes of a file, or of the files in a folder; links are not followed."""
    if path.is_symlink() or not path.is_dir():
        return os.lstat(path).st_size
    return sum(size_of(entry) for entry in path.iterdir())
